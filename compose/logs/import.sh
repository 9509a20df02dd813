#!/usr/bin/env bash
# Import the data view, searches and dashboard into Kibana as soon as it answers. Existing ones are replaced.
kibana=${KIBANA_URL:-http://kibana:5601}
objects=${OBJECTS:-/kibana.ndjson}
for _ in $(seq "${TRIES:-100}"); do
  answer=$(curl -sS -H 'kbn-xsrf: true' --form "file=@$objects" "$kibana/api/saved_objects/_import?overwrite=true" 2>&1)
  case $answer in
    *'"success":true'*) echo "$answer"; exit 0 ;;
    *'"success":false'*) break ;;  # another try would fail in the same way
  esac
  sleep "${SECONDS_BETWEEN:-3}"
done
echo "Kibana did not take the objects: $answer" >&2
exit 1
