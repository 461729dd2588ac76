# QEMU: a machine of two processors that boots Linux from memory, and programs in user emulation.
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../programs/lib.sh"

need qemu-x86_64 qemu-system-x86_64 busybox cpio $python
kernel=$(find /boot -name 'vmlinuz*' | sort -V | tail -n 1)
if [[ $(uname -m) != x86_64 || -z $kernel ]]; then
    echo "no x86-64 kernel"
    exit 77
fi

mkdir -p system/bin
cp "$(type -P busybox)" system/bin/
cat >system/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mkdir /proc /dev /tmp
/bin/busybox mount -t proc none /proc
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox --install -s /bin
dmesg -n 1
job() {
    seq 1 3000 | awk -v k="$1" '{ print $1 * k * 7919 % 10007 }' | sort -n | gzip | gunzip | sha256sum
}
for i in 1 2 3 4; do
    job $i >/tmp/$i &
done
wait
for i in 1 2 3 4; do
    echo "guest: $i $(cat /tmp/$i)"
done
echo "guest: $(grep -c ^processor /proc/cpuinfo) processors"
poweroff -f
INIT
chmod +x system/init
(cd system && find . | cpio --quiet -o -H newc) | gzip >initrd
under qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -smp 2 -m 256 -nodefaults -nographic \
    -serial stdio -no-reboot -kernel "$kernel" -initrd initrd -append 'console=ttyS0' |
    tee console >&2
tr -d '\r' <console | grep '^guest:'

# The emulator has the library, then the emulated program too: there, the reserved window costs the
# emulator seconds and more than a gigabyte of page descriptors.
for unset in LD_PRELOAD UNUSED; do
    under qemu-x86_64 -U PRELOAD -U "$unset" $python "$inputs/work.py" "$(quick 50 300)" \
        json regex objects threads
done
