{{- define "hawker.name" -}}
{{- contains "hawker" .Release.Name | ternary .Release.Name (printf "%s-hawker" .Release.Name) | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "hawker.selector" -}}
app.kubernetes.io/name: hawker
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{- /* For everything but the daemon's pods: nothing selects by these. */ -}}
{{- define "hawker.labels" -}}
app.kubernetes.io/name: hawker
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "hawker.image" -}}
{{- $why := "image.repository is missing: where you pushed the image, such as registry.example/hawker" -}}
{{- $repository := required $why .Values.image.repository -}}
{{- $tag := printf ":%s" (.Values.image.tag | default .Chart.AppVersion) -}}
{{ $repository }}{{ empty .Values.image.digest | ternary $tag (printf "@%s" .Values.image.digest) }}
{{- end }}

{{- define "hawker.authority" -}}
{{ .Values.peers.tls.secretName | default (printf "%s-authority" (include "hawker.name" .)) }}
{{- end }}

{{- /* A container that may do nothing but run. */ -}}
{{- define "hawker.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: {{ .Values.user }}
runAsGroup: {{ .Values.user }}
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* A container that is root on the node: for writing the runtime's configuration, and nothing else. */ -}}
{{- define "hawker.onHost" -}}
privileged: true
readOnlyRootFilesystem: true
runAsUser: 0
runAsGroup: 0
{{- end }}

{{- define "hawker.smallResources" -}}
requests:
  cpu: 10m
  memory: 32Mi
limits:
  memory: 128Mi
{{- end }}

{{- /* The token of the pod's account, for the one container that asks the API. */ -}}
{{- define "hawker.tokenVolume" -}}
- name: account
  projected:
    defaultMode: 0444
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - key: ca.crt
              path: ca.crt
{{- end }}
{{- define "hawker.tokenMount" -}}
- name: account
  mountPath: /var/run/secrets/kubernetes.io/serviceaccount
  readOnly: true
{{- end }}

{{- /* The settings that the chart knows, with those of the user over them, table by table. */ -}}
{{- define "hawker.settings" -}}
{{- $v := .Values -}}
{{- $host := ternary "@ADDRESS@" "127.0.0.1" $v.status.onNodeAddress -}}
{{- $dns := printf "%s-peers.%s.svc.%s" (include "hawker.name" .) .Release.Namespace $v.peers.clusterDomain -}}
{{- $peers := dict "listen" (printf "@ADDRESS@:%d" (int $v.peers.port)) "cluster" $v.peers.cluster "dns" $dns -}}
{{- if $v.peers.static }}{{ $_ := set $peers "static" $v.peers.static }}{{ end -}}
{{- if $v.peers.allow }}{{ $_ := set $peers "allow" $v.peers.allow }}{{ end -}}
{{- if $v.peers.redis }}{{ $_ := set $peers "redis" $v.peers.redis }}{{ end -}}
{{- $node := dict "name" "@NODE@" -}}
{{- if or $v.zone.name $v.zone.nodeLabel }}{{ $_ := set $node "zone" "@ZONE@" }}{{ end -}}
{{- $tables := dict
    "node" $node
    "mirror" (dict "listen" (printf "127.0.0.1:%d" (int $v.mirror.port)))
    "cache" (dict "path" "/var/lib/dragonfly/content" "quota" $v.cache.quota "free_floor" $v.cache.freeFloor)
    "status" (dict "listen" (printf "%s:%d" $host (int $v.status.port)))
    "log" (dict "format" $v.log.format "level" $v.log.level)
-}}
{{- if eq $v.peers.tls.from "off" }}{{ $_ := set $peers "insecure_plaintext" true }}
{{- else }}{{ $files := list "/etc/hawker/tls/ca.crt" }}
{{- if $v.peers.tls.moreAuthorities }}{{ $files = append $files "/etc/hawker/tls/more.crt" }}{{ end }}
{{- $_ := set $tables "peers.tls" (dict
    "certificate" "/etc/hawker/tls/tls.crt" "key" "/etc/hawker/tls/tls.key" "authorities" $files) }}
{{- end -}}
{{- $_ := set $tables "peers" $peers -}}
{{- range $name, $table := mergeOverwrite $tables (deepCopy $v.settings) }}
[{{ $name }}]
{{- range $key, $value := $table }}
{{ $key }} = {{ include "hawker.tomlValue" $value }}
{{- end }}
{{ end }}
{{- range $v.registries }}
[[registry]]
{{- range $key, $value := . }}
{{ $key }} = {{ include "hawker.tomlValue" $value }}
{{- end }}
{{ end }}
{{- end }}

{{- /* JSON's texts, truths and lists of texts are TOML's as well; its numbers may be fractions by now. */ -}}
{{- define "hawker.tomlValue" -}}
{{- if or (kindIs "float64" .) (kindIs "int64" .) (kindIs "int" .) }}{{ int64 . }}{{ else }}{{ toJson . }}{{ end }}
{{- end }}
