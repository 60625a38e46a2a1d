#!/usr/bin/env bash
# What the Matrix tests need beside Foyer's own packages: a real homeserver (Synapse) in a virtualenv of its
# own, because its pins differ, and matrix-js-sdk as a client that is not ours. Both come from the package
# registries by name and version; a second run takes milliseconds.
set -euo pipefail
cd "$(dirname "$0")/../.."

digest() { sha256sum "$@" | sha256sum | cut -d' ' -f1; }
fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

pins=tests/support/synapse.txt
home=.tools/synapse
stamp=$(digest "$pins")
if ! fresh "$home/stamp" "$stamp"; then
  printf 'foyer: %s\n' "fetching a Matrix homeserver for the tests …"
  rm -rf "$home"
  UV_PYTHON_DOWNLOADS=never .tools/bin/uv venv -q --python .venv/bin/python "$home"
  .tools/bin/uv pip install -q --python "$home/bin/python" --only-binary :all: -r "$pins"
  printf %s "$stamp" >"$home/stamp"
fi

client=tests/support/matrix_citizen
stamp=$(digest "$client/package-lock.json")
if ! fresh "$client/node_modules/.stamp" "$stamp"; then
  printf 'foyer: %s\n' "fetching a Matrix client for the tests …"
  npm --prefix "$client" ci --silent --ignore-scripts --no-audit --no-fund
  printf %s "$stamp" >"$client/node_modules/.stamp"
fi
