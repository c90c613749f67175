{{- define "zpruner.name" -}}
{{- ternary .Release.Name (printf "%s-zpruner" .Release.Name) (contains "zpruner" .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Arguments of the others: root (the chart's context), part (api, control, migrate, a worker's name), role. */}}
{{- define "zpruner.selector" -}}
app.kubernetes.io/name: zpruner
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "zpruner.labels" -}}
{{ include "zpruner.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "zpruner.image" -}}
{{- $image := index .root.Values.images .image }}
{{- $tag := default .root.Chart.AppVersion $image.tag }}
{{- if eq $tag "latest" }}{{ fail (printf "images.%s.tag is latest, which names another image tomorrow: set a version, or images.%s.digest." .image .image) }}{{ end }}
{{- $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end }}

{{- define "zpruner.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "zpruner.name" .) }}
{{- end }}

{{/* What every pod has in common. */}}
{{- define "zpruner.pod" -}}
# A Service named zpruner would otherwise set ZPRUNER_PORT, which is a setting.
enableServiceLinks: false
automountServiceAccountToken: false
serviceAccountName: {{ .serviceAccount | default (include "zpruner.serviceAccount" .root) }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "zpruner.placement" -}}
{{- range $name := list "nodeSelector" "tolerations" "affinity" }}
{{- with index $.values $name }}
{{ $name }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "zpruner.container" -}}
image: {{ include "zpruner.image" . }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "zpruner.queues" -}}
{{- $queues := list }}
{{- range $name, $given := .Values.workers }}
{{- $queues = concat $queues (mergeOverwrite (deepCopy $.Values.workerDefaults) (default dict $given)).queues }}
{{- end }}
{{- $queues | uniq | sortAlpha | join "," }}
{{- end }}

{{/* Names that clients may use for the API. */}}
{{- define "zpruner.hosts" -}}
{{- $name := include "zpruner.name" . }}
{{- $space := .Release.Namespace }}
{{- $hosts := list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) (printf "%s.%s.svc.cluster.local" $name $space) }}
{{- if .Values.ingress.enabled }}{{ $hosts = append $hosts .Values.ingress.host }}{{ end }}
{{- join "," $hosts }}
{{- end }}

{{- define "zpruner.environment" -}}
envFrom:
  - configMapRef: {name: {{ include "zpruner.name" .root }}}
  - secretRef: {name: {{ .root.Values.secret }}}
{{- end }}

{{- define "zpruner.mounts" -}}
- {name: data, mountPath: /data}
- {name: tmp, mountPath: /tmp}
{{- if .root.Values.data.models }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- if .root.Values.data.datasets }}
- {name: datasets, mountPath: /datasets, readOnly: true}
{{- end }}
{{- end }}

{{- define "zpruner.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
- name: data
{{- if .root.Values.data.bucket }}
{{- if .scratch.storageClassName }}
  ephemeral:
    volumeClaimTemplate:
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ .scratch.storageClassName }}
        resources: {requests: {storage: {{ .scratch.size }}}}
{{- else }}
  emptyDir: {sizeLimit: {{ .scratch.size }}}
{{- end }}
{{- else }}
  persistentVolumeClaim: {claimName: {{ .root.Values.data.shared.existingClaim | default (printf "%s-data" (include "zpruner.name" .root)) }}}
{{- end }}
{{- range $name := list "models" "datasets" }}
{{- with index $.root.Values.data $name }}
- name: {{ $name }}
  persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "zpruner.annotations" -}}
checksum/settings: {{ include (print .root.Template.BasePath "/configmap.yaml") .root | sha256sum }}
{{- with .values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
