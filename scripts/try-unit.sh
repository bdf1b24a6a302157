#!/usr/bin/env bash
# Runs contrib/systemd/minikv.service under a systemd of its own, in namespaces without a network, and looks whether the node starts, works,
# comes back after a kill and stops; with all restrictions of the unit. Needs root, systemd 247 or later and cgroup v2; nothing of this machine changes.
#
#   scripts/try-unit.sh PROGRAM
set -euo pipefail
self=$(readlink -f "$0")
cd "$(dirname "$self")/.."

# The namespaces' first process: makes places of their own for what systemd and the unit write, and becomes systemd.
inside() {
	mount --make-rprivate /
	umount -R /sys/fs/cgroup 2>/dev/null || umount -l /sys/fs/cgroup
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mount --bind "$TRY" /mnt
	for place in /run /tmp /var/lib /var/cache /etc/systemd/system /etc/default /usr/local/bin; do
		mount -t tmpfs tmpfs "$place"
	done
	install -m 755 /mnt/minikv /usr/local/bin/minikv
	install -m 644 /mnt/minikv.service /etc/systemd/system/
	echo "MINIKV_FLAGS=--public cities --http 127.0.0.1:7422 --resp 127.0.0.1:6380 --resp-db 0=cities" >/etc/default/minikv
	mkdir /etc/systemd/system/minikv.service.d # there is no journal here, and nothing to wait for
	printf '[Unit]\nDefaultDependencies=no\n[Service]\nStandardOutput=append:/mnt/log\nStandardError=append:/mnt/log\n' >/etc/systemd/system/minikv.service.d/try.conf
	printf '[Unit]\nDefaultDependencies=no\n' >/etc/systemd/system/try.target
	ip link set lo up
	(bash /mnt/drive >/mnt/out 2>&1 || echo "FAILED" >>/mnt/out; kill -37 1) & # SIGRTMIN+3: halt
	exec env -i container=other PATH="$PATH" /lib/systemd/systemd --system --unit=try.target --log-target=console --show-status=0
}

if [ "${1:-}" = --inside ]; then
	inside
fi
[ -x "${1:-}" ] || {
	sed -n '2,5p' "$self" >&2
	exit 2
}

TRY=$(mktemp -d)
export TRY
chmod 755 "$TRY"
cp "$1" "$TRY/minikv"
cp contrib/systemd/minikv.service "$TRY/"
cat >"$TRY/drive" <<'END'
set -e
show() { systemctl show minikv -p "$1" --value; }
until_ok() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; echo "never: $*"; return 1; }
until_ok systemctl daemon-reload
systemd-analyze verify /etc/systemd/system/minikv.service 2>&1
systemctl start minikv
echo "started: $(show ActiveState), told by the node itself: Type=$(show Type)"
pid=$(show MainPID)
grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' /proc/$pid/status | tr '\n\t' '  '; echo
for file in /etc/x /usr/x /root/x; do
	nsenter -t $pid -m touch $file 2>/dev/null && { echo "$file could be written"; exit 1; }
done
export MINIKV_ADDR=unix:/run/minikv/admin.sock
minikv put cities de/hamburg 1.9M
echo "written and read: $(minikv get cities de/hamburg)"
exec 3<>/dev/tcp/127.0.0.1/7422
printf 'GET /readyz HTTP/1.0\r\nHost: 127.0.0.1:7422\r\n\r\n' >&3; echo "by HTTP: $(head -1 <&3)"
exec 4<>/dev/tcp/127.0.0.1/6380
printf 'GET de/hamburg\r\nQUIT\r\n' >&4; echo "by a Redis client: $(sed -n 2p <&4)"
kill -9 $pid
until_ok minikv get cities de/hamburg
echo "after kill -9: $(minikv get cities de/hamburg), restarts: $(show NRestarts)"
systemctl stop minikv
echo "stopped: $(show Result), exit status $(show ExecMainStatus)"
systemd-analyze security --offline=true /etc/systemd/system/minikv.service | tail -1
END

hierarchy=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
group=$hierarchy/minikv-try-$$
mkdir "$group"
finish() {
	find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
	rm -rf "$TRY"
}
trap finish EXIT
(
	echo "$BASHPID" >"$group/cgroup.procs"
	exec timeout 120 unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup --mount-proc bash "$self" --inside
) >"$TRY/systemd" 2>&1 || true
cat "$TRY/out"
if ! grep -q '^stopped: success' "$TRY/out" || grep -q '^FAILED' "$TRY/out"; then
	cat "$TRY/systemd" "$TRY/log" >&2
	exit 1
fi
