#!/bin/sh
# Boots this machine's own system, its changes on a tmpfs, as a container. Its mounts are in a namespace of their own and
# its processes die with their parents, so nothing is left of it whatever ends the test.
#   box.sh boot|probe MACHINE FOLDER [CGROUP…]
# `probe` only runs one command in it, to see whether this machine can.
set -eu
what=$1 machine=$2 folder=$3
shift 3
for cgroup in "$@"; do
  mkdir -p "$cgroup"
  echo $$ >"$cgroup/cgroup.procs"
done
mount -t tmpfs -o mode=0755 rexec-box "$folder"
root=$folder/root
mkdir "$folder/up" "$folder/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/up,workdir=$folder/work" "$root"
# What systemd-nspawn notes about its containers shall not stay.
mkdir -p /run/systemd
mount -t tmpfs rexec-run /run/systemd
# None of this machine's services, which would share its network; only systemd's own. An id of its own: without one it
# would take this for the first boot, and enable them all again.
rm -rf "$root"/etc/systemd/system/* "$root"/etc/rc?.d "$root"/etc/rexec "$root"/usr/local/bin/rexec*
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
set -- systemd-nspawn --quiet --directory="$root" --machine="$machine" --register=no --keep-unit \
  --link-journal=no --resolv-conf=off --timezone=off
if [ "$what" = probe ]; then exec "$@" --console=pipe true </dev/null; fi
while :; do
  code=0
  setpriv --pdeathsig KILL "$@" --boot --console=read-only </dev/null || code=$?
  # With --keep-unit this is how it says that the container wants to be booted again.
  [ "$code" = 133 ] || exit "$code"
done
