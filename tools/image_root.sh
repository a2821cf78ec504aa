#!/bin/sh
# Build the image without a container engine and make its file tree ready to run things in: the root read-only, with
# what a runtime would give (/proc, a writable /tmp, /etc/hosts) and a writable /mnt. Needs root and buildah.
#
#   BASE_IMAGE=... tools/image_root.sh up /srv/root      # a base with python3 and venv; made from debootstrap, say
#   THING_OPERATOR_TEST_ROOT=/srv/root pytest tests/integration/test_logs.py tests/integration/test_devices.py
#   tools/image_root.sh down /srv/root
set -eu

name=thing-operator-root
root=${2:?"usage: image_root.sh up|down FOLDER"}

case $1 in
up)
    buildah bud --isolation chroot ${BASE_IMAGE:+--build-arg BASE_IMAGE="$BASE_IMAGE"} --tag "$name" .
    buildah from --name "$name" "localhost/$name" >/dev/null
    tree=$(buildah mount "$name")
    cp /etc/hosts "$tree/etc/hosts"
    mkdir -p "$root"
    mount --bind "$tree" "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs tmpfs "$root/mnt"
    mount -o remount,bind,ro "$tree" "$root"
    ;;
down)
    for each in "$root/mnt" "$root/tmp" "$root/proc" "$root"; do umount "$each"; done
    buildah rm "$name" >/dev/null
    ;;
esac
