#!/usr/bin/env bash
# The full path on a real picture with random weights: makes a medmo_nano folder (once), asks it a question, prints the
# answer's tokens beside the reference implementation's, and draws two overlays. Called by ./dev demo.
# MEDMO: the program; default: that of the release build.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
medmo=$(realpath "${MEDMO:-$root/build/release/examples/medmo}")
boxes=$(dirname "$medmo")/example_02_boxes
data=$here/data out=$root/build/demo
picture=$data/nuclei_fluorescence.png question="Detect and localize all nuclei." seed=8
mkdir -p "$out"
export MEDMO_DATA=$data

cat <<TEXT

medmo demo: research software, not a medical device.
The weights are random: the answer below means nothing, and a model with random weights repeats itself and finds no
boxes. What it shows is the whole path, and that it computes what the reference implementation computes.

TEXT

model=$out/medmo_nano_$seed
[[ -f $model/config.json ]] || { rm -rf "$model"; "$medmo" init --config medmo_nano --seed "$seed" --dtype f32 --out "$model"; }
tokens=$(python3 -c 'import json, sys; print(len(json.load(open(sys.argv[1]))["tokens"]))' "$data/demo_reference.json")
asked=(--model "$model" --image "$picture" --prompt "$question")
"$medmo" ask "${asked[@]}" --greedy --max-new-tokens "$tokens" --overlay "$out/overlay.png" --json >"$out/answer.json"
"$medmo" trace "${asked[@]}" --out "$out/stages.safetensors" >/dev/null

echo "question  $question"
echo "picture   examples/data/nuclei_fluorescence.png"
status=0
python3 "$here/demo_table.py" "$out/answer.json" "$out/stages.safetensors" "$data/demo_reference.json" || status=$?

echo
echo "build/demo/overlay.png       the picture with the boxes of this answer (none, as the weights are random)"
if [[ -x $boxes ]]; then
  "$boxes" "$picture" "$data/nuclei_fluorescence.txt" "$out/overlay_true_boxes.png" >/dev/null
  echo "build/demo/overlay_true_boxes.png   the same with the 125 nuclei that are there, from the picture's own annotation"
fi
exit $status
