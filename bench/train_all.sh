#!/bin/sh
# Trains every network the figures in docs/ need, side by side on one GPU:
#   bench/train_all.sh DATA OUT
# DATA holds photos/, paintings/, paintings_extra/ and loss/vgg19_16x.safetensors; the finished
# models and the losses of every run are copied to OUT. Run it again to resume.
set -eu
data=$1 out=$2
mkdir -p "$out"

train() { # NAME RECIPE SETTING...
    name=$1 recipe=$2
    shift 2
    set -- "name=$name" "$@"
    for setting; do set -- "$@" --set "$setting"; shift; done
    python3 -m videostyle train "videostyle/training/recipes/$recipe.yaml" \
        --photos "$data/photos" --paintings "${paintings:-$data/paintings}" \
        --loss-network "$data/loss/vgg19_16x.safetensors" --device cuda -o "runs/$name" "$@" \
        >"$out/$name.log" 2>&1
    cp "runs/$name/$name.safetensors" "$out/"
    cp "runs/$name/losses.csv" "$out/$name.csv"
}

train lean lean &
train lean_without_temporal lean temporal_weight=0 &
train paper paper width=1 &
for style in starry_night great_wave composition_vii the_kiss; do
    train "single_$style" lean temporal_weight=0 "paintings={$style: {}}" &
done
paintings=$data/paintings_extra train irises_from_scratch lean \
    steps=40000 temporal_weight=0 "paintings={irises: {}}" &
wait
