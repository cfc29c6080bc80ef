#!/bin/sh
# sweep.sh FOLDER [EMPTY…]: waits until the script that started it has ended, in whatever way (its stdin ends then), and
# removes what that left: the processes that were started in FOLDER or for it, the mounts below it, FOLDER itself, and
# the folders EMPTY, which were not there before, where nothing is in them. A shell script, in a session of its own: it outlives a kill of the
# script's process group, of its terminal, and of every Bun.
trap '' HUP INT TERM PIPE
folder=$1
shift
cd /

while read -r _; do :; done

# Processes with FOLDER in their environment, arguments or working directory.
marked() {
	{
		grep -laF -- "$folder" /proc/[0-9]*/environ /proc/[0-9]*/cmdline
		find /proc/[0-9]*/cwd -maxdepth 0 -lname "$folder*"
	} 2>/dev/null | cut -d/ -f3 | sort -u
}

# Those and their descendants, which may have an environment of their own; this script and what it runs excepted.
family() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$(marked | tr '\n' ' ')" -v self=$$ '
		{ pid = $1; sub(/^.*\) /, ""); parent[pid] = $2 }
		END {
			count = split(roots, list, " ")
			for (i = 1; i <= count; i++) is[list[i]] = 1
			for (pid in parent) {
				hit = 0; own = 0
				for (at = pid; at > 1; at = parent[at]) { if (at in is && at != self) hit = 1; if (at == self) own = 1 }
				if (hit && !own && pid in parent) print pid
			}
		}'
}

# A client gives the terminal back as it found it, where it is asked to end.
for signal in TERM KILL KILL KILL; do
	pids=$(family)
	[ -n "$pids" ] || break
	# shellcheck disable=SC2086 # a word for each
	kill "-$signal" $pids 2>/dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ -n "$(family)" ] || break
		sleep 0.1
	done
done

grep -F " $folder/" /proc/self/mounts | cut -d' ' -f2 | sort -r | while read -r place; do
	umount -l "$place" 2>/dev/null
done
for _ in 1 2 3; do
	rm -rf -- "$folder" 2>/dev/null && break
	chmod -R u+rwX -- "$folder" 2>/dev/null # a folder that a test made read-only
done
# What root's agents had there that were killed: they are named by their configuration, which was in FOLDER.
for place; do
	for file in "$place"/agent-*.pid; do
		[ -e "$file" ] || continue
		kill -0 "$(head -n 1 "$file")" 2>/dev/null && continue
		name=${file##*/}
		for each; do rm -f "$each/${name%.pid}.pid" "$each/${name%.pid}.sock" "$each/${name%.pid}.log"; done
	done
done
for empty; do rmdir -- "$empty" 2>/dev/null; done
exit 0
