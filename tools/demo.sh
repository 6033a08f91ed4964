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

# Where it ends early, the command to go on with is this one, not that of the step.
ended() {
    status=$?
    [ "$status" -eq 0 ] || printf '\n--- Not finished: type "make demo" again, and it goes on from here\n' >&2
    exit "$status"
}
trap ended EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
    printf '\n--- %s\n' "$1"
    shift
    [ $# -eq 0 ] || printf '    %s\n' "$@"
}

say "Step 1 of 3: make the data" \
    "Draws short video clips of twelve kinds, such as an object that moves to the left" \
    "or turns clockwise. From each clip it extracts the frames (rgb), how every pixel" \
    "moves to the next frame (optical flow), and the coarse motion that a video file" \
    "itself contains (motion vectors, mv)."
"$bin/pipeline" extract --dataset demo --ray off

say "Step 2 of 3: draw a picture of one clip" \
    "Frame, optical flow and motion vectors side by side; colours are directions."
"$bin/pipeline" preview "$store" --video "$video" --out "$picture"

say "Step 3 of 3: train two small neural networks to name the kind of a clip" \
    "First a teacher that sees optical flow, which is slow to compute. Then a student" \
    "that sees only motion vectors, which are nearly free, and learns from the" \
    "teacher. Both are tested on clips that neither has seen."
# The recipe that two cores finish in the promised minutes; DTMV takes twice as long.
"$bin/training" distill --store "$store" --recipe demo --teacher flow --student mv

say "Done" \
    "\"top-1\" above is the share of test clips whose kind was named right; guessing" \
    "would be right for 8 % of them. What was made lies in:"
cat <<END
    $picture      the picture (the same as a movie: ${picture%.png}.mp4)
    $store         frames, flow and vectors of all clips
    $VIDEO_DATA/runs                the trained networks, each with its results.json
To look into the data:  $bin/pipeline info $store
To recognise a test clip:  $bin/training predict $VIDEO_DATA/runs/*flow-to-mv* $VIDEO_DATA/videos/demo/left/left_g30.mp4
docs/tutorial.md says how to do the same with your own videos.
END
