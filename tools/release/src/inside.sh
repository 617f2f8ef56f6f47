# Runs the program in a folder as the root of a system: inside.sh ROOT DATABASE USER. It needs a namespace of its own, with mounts.
# The root is read-only, and there is no program in it but ours. If USER is 0, the program runs as the user of the image.
# Others are root of their namespace alone, and have no other user.
set -eu
root=$1
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for device in null random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
cp -R "$2" "$root/tmp/validator_0"
mkdir "$root/tmp/scratch"
user=
if [ "$3" = 0 ]; then
    chown -R 65532:65532 "$root/tmp"
    user=--userspec=65532:65532
fi
chroot=$(command -v chroot)
run() {
    echo "$ kvbackup $*"
    env -i TMPDIR=/tmp/scratch "$chroot" $user "$root" /usr/bin/kvbackup "$@"
}
run --version
run backup rocksdb:/tmp/validator_0 /tmp/repository
run verify /tmp/repository --against rocksdb:/tmp/validator_0
run restore /tmp/repository rocksdb:/tmp/restored/validator_0
run verify /tmp/repository --against rocksdb:/tmp/restored/validator_0
