#!/bin/sh
# The whole path on the embedded demo data set. Called by `make demo`:
#   sh tools/demo.sh BIN FOLDER        BIN: where the commands lie; FOLDER: for all results
# Run again, it does only what is missing.
set -eu

bin=$1
export VIDEO_DATA=$2
store=$VIDEO_DATA/stores/demo
picture=$VIDEO_DATA/modalities.png
video=ccw/ccw_g13

say() {
    printf '\n--- %s\n' "$1"
}

say "Videos of twelve classes, and from them RGB, TV-L1 flow and motion vectors"
"$bin/pipeline" extract --dataset demo --ray off

say "RGB, flow and vectors of one interval, side by side"
"$bin/pipeline" preview "$store" --video "$video" --out "$picture"

say "A teacher that sees flow, and a student that sees only the vectors"
# The recipe that two cores finish in the promised minutes; DTMV takes twice as long.
"$bin/training" distill --store "$store" --recipe demo --teacher flow --student mv

say "Where it all lies"
echo "store    $store    (pipeline info $store)"
echo "runs     $VIDEO_DATA/runs"
echo "picture  $picture    (movie: ${picture%.png}.mp4)"
