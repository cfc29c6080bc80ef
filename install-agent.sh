#!/bin/sh
# Installs rexec-agent on this machine, registers it, and starts it as a service.
#
#   curl -fsSL https://rexec.pipeops.io/install-agent.sh | bash -s -- --token rexec_… --name my-server
#
# Through sudo, which drops the environment unless it is told:
#
#   curl -fsSL https://rexec.pipeops.io/install-agent.sh | REXEC_TOKEN=rexec_… sudo --preserve-env=REXEC_TOKEN bash
#
# A gateway makes the token with `rexec join create`, which prints these lines too: it registers this machine, and does
# nothing else.
#
# POSIX sh: dash, bash and busybox run it. Everything is in functions, and the last line calls main: a download that is
# cut short runs nothing. Until all is well nothing is final: a run that fails puts back what was there before.
set -eu

# A gateway that serves this file puts its own address here.
REXEC_API_DEFAULT="https://rexec.pipeops.io"

# How long the agent may take to connect, in seconds.
CONNECT_SECONDS=45

usage() {
  cat <<USAGE
Installs rexec-agent, registers this machine with a Rexec server, and starts the agent as a service.
As root for the whole machine, as anybody else for that account alone. Run it again to upgrade.

usage: install-agent.sh [options]
  -t, --token TOKEN    join token (rexec join create) or API token; better by REXEC_TOKEN, since others can see a
                       command line (through sudo: REXEC_TOKEN=… sudo --preserve-env=REXEC_TOKEN sh).
                       Without one the agent is installed, and neither registered nor started
  -n, --name NAME      name of this machine (default: its hostname)
  -l, --labels LIST    comma-separated labels
  -i, --agent-id ID    this agent exists already: take its id and token over instead of registering
      --api URL        address of the Rexec server (or REXEC_API, REXEC_HOST; default: $REXEC_API_DEFAULT)
      --user           for this account alone: ~/.local/bin, ~/.rexec, a service of its own
      --version V      install this version or none
      --no-service     install and register, but start nothing
      --uninstall      unregister, stop, and remove everything that was installed
  -h, --help           this text

environment: REXEC_BIN_DIR      install to this folder (default /usr/local/bin, or ~/.local/bin)
             REXEC_CONFIG       configuration file (default /etc/rexec/agent.yaml, or ~/.rexec/agent.json)
             REXEC_CA_FILE      trust these certificates too (PEM)
             REXEC_INSECURE=1   allow a plain http server that is not this machine
             REXEC_NO_CHECKSUM=1  install from a server that offers no SHA256SUMS
USAGE
}

main() {
  token=${REXEC_TOKEN:-}
  # None of the programs that are called here needs it but one.
  unset REXEC_TOKEN
  name=
  labels=
  agent_id=
  api=${REXEC_HOST:-${REXEC_API:-$REXEC_API_DEFAULT}}
  scope=
  wanted_version=
  service=yes
  action=install
  parse_options "$@"
  choose_places

  if [ "$action" = uninstall ]; then
    uninstall
    return
  fi

  api=${api%/}
  check_sudo
  check_api
  check_values
  arch=$(machine_arch)
  file=rexec-agent-linux-$arch
  check_libc
  choose_downloader
  choose_hasher

  open_workshop
  download
  try_binary

  # From here on the machine changes, and undo knows how to change it back.
  put_config_aside
  place_binary
  next=
  if [ -n "$agent_id" ]; then
    take_over
  elif [ -n "$token" ]; then
    register
  elif is_registered && [ -n "$name$labels" ]; then
    register
  elif is_registered; then
    say "keeps its registration ($config)"
  else
    say "not registered: there is no token (REXEC_TOKEN; sudo drops it without --preserve-env=REXEC_TOKEN)"
    next="$(command_name) register --host $(quote "$api")"
  fi
  if [ -z "$next" ] && [ "$service" = no ]; then
    next="$(command_name) start"
    if is_running; then next="$(command_name) restart"; fi
  elif [ -z "$next" ]; then
    start_service
    await_connection
  fi
  close_workshop
  say_path
  if [ -n "$next" ]; then say "next: $next"; fi
}

# --- options ---

parse_options() {
  while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --user) scope=user ;;
    --no-service) service=no ;;
    --uninstall) action=uninstall ;;
    --*=*)
      option=$1
      shift
      set -- "${option%%=*}" "${option#*=}" "$@"
      continue
      ;;
    -t | --token | -n | --name | -l | --labels | -i | --agent-id | --api | --version)
      [ $# -ge 2 ] || usage_error "$1 needs a value"
      case $1 in
      -t | --token) token=$2 ;;
      -n | --name) name=$2 ;;
      -l | --labels) labels=$2 ;;
      -i | --agent-id) agent_id=$2 ;;
      --api) api=$2 ;;
      --version) wanted_version=${2#v} ;;
      esac
      shift
      ;;
    *) usage_error "unknown option $1" ;;
    esac
    shift
  done
}

check_api() {
  case $api in
  *[[:space:]@\"\\]*) usage_error "\"$api\" is no address of a Rexec server" ;;
  https://?*) ;;
  http://?*)
    is_loopback || [ "${REXEC_INSECURE:-}" = 1 ] ||
      fail "$api is plain http: anyone on the way could read the token or swap the agent" \
        "use https, or set REXEC_INSECURE=1 where the network itself is trusted"
    ;;
  *) usage_error "\"$api\" is no http(s) address of a Rexec server" ;;
  esac
}

# Is the host of $api this machine?
is_loopback() {
  host=${api#*://}
  host=${host%%[/?#]*}
  case $host in
  '[::1]' | '[::1]:'*) return 0 ;;
  esac
  case ${host%:*} in
  localhost) return 0 ;;
  127.*[!0-9.]*) return 1 ;;
  127.*) return 0 ;;
  esac
  return 1
}

# sudo drops the environment. A token that was meant for this script, and did not reach it, would leave a machine that is
# installed and not registered: the environment of sudo itself tells.
check_sudo() {
  [ -z "$token" ] || return 0
  dropped=
  pid=$PPID
  for _ in 1 2 3; do
    case $(cat "/proc/$pid/comm" 2>/dev/null) in
    sudo | sudo-rs | doas | pkexec | su | runuser) ;;
    *) break ;;
    esac
    names=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^\(REXEC_[A-Z_]*\)=..*/\1/p' | sort -u)
    case $names in *REXEC_TOKEN*) dropped=$(printf '%s' "$names" | tr '\n' ',') ;; esac
    pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null) || break
  done
  [ -z "$dropped" ] || fail "sudo dropped REXEC_TOKEN: without it this machine would be installed and not registered" \
    "name it to sudo: curl -fsSL $api/install-agent.sh | REXEC_TOKEN=rexec_join_… sudo --preserve-env=$dropped sh"
}

# What goes into the configuration file must not be able to break out of its quotes.
check_values() {
  if [ -n "$agent_id" ] && [ -z "$token" ]; then
    usage_error "--agent-id needs the agent's --token too"
  fi
  case $agent_id,$token in
  ?*,rexec_join_*)
    usage_error "--agent-id takes the agent's own token, and this is a join token, which registers a new agent"
    ;;
  esac
  case $agent_id in
  *[!A-Za-z0-9_.:-]*) usage_error "\"$agent_id\" is no agent id" ;;
  esac
  case $token in
  *[!A-Za-z0-9_.~+/=-]*) usage_error "that is no token: it holds a character that no token has" ;;
  esac
  case $wanted_version in
  *[!A-Za-z0-9_.+-]*) usage_error "\"$wanted_version\" is no version" ;;
  esac
}

# --- this machine ---

machine_arch() {
  system=$(uname -s)
  machine=$(uname -m)
  [ "$system" = Linux ] || fail "rexec-agent runs on Linux, and this is $system" "install it on a Linux machine"
  # A 64-bit kernel may carry a 32-bit system: the Raspberry Pi's default for years.
  if [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 32 ]; then
    fail "this is a 32-bit system (uname -m: $machine), and rexec-agent exists for 64-bit only" \
      "install a 64-bit operating system"
  fi
  case $machine in
  x86_64 | amd64) echo amd64 ;;
  aarch64 | arm64) echo arm64 ;;
  armv6*)
    fail "there is no build for armv6: rexec-agent is for 64-bit ARM (uname -m: $machine)" \
      "a Raspberry Pi 1 or Zero cannot run it; a Pi 3, 4, 5 or Zero 2 W can, with its 64-bit system"
    ;;
  armv7* | armv8l | armhf)
    fail "there is no build for armv7: rexec-agent is for 64-bit ARM (uname -m: $machine)" \
      "on a Raspberry Pi 3 or later, and on most boards of today, install the 64-bit system"
    ;;
  i?86)
    fail "there is no build for 32-bit x86 (uname -m: $machine)" "it exists for x86_64 and aarch64"
    ;;
  *) fail "there is no build for this machine (uname -m: $machine)" "it exists for x86_64 and aarch64" ;;
  esac
}

check_libc() {
  case $arch in
  amd64) loader=/lib64/ld-linux-x86-64.so.2 ;;
  arm64) loader=/lib/ld-linux-aarch64.so.1 ;;
  esac
  if [ -e "$loader" ]; then return; fi
  for musl in /lib/ld-musl-*; do
    [ -e "$musl" ] || continue
    fail "this system has musl in the place of glibc (Alpine has), and there is no build for it" \
      "run the agent on a glibc system: Debian, Ubuntu, Fedora, Arch, …, or in a container of one of these"
  done
  # Neither: some systems keep the loader elsewhere. Running the download will show.
}

is_root() {
  [ "$(id -u)" = 0 ]
}

choose_places() {
  if is_root; then
    [ "$scope" != user ] || usage_error "--user is for accounts without root: run it as that account, or leave it out"
    scope=system
    bin_dir=/usr/local/bin
    config=/etc/rexec/agent.yaml
  else
    if [ -z "$scope" ] && [ "$action" = install ]; then
      say "not root: installing for this account alone (as with --user)"
    fi
    scope=user
    home=${HOME:?HOME is not set}
    bin_dir=$home/.local/bin
    config=$home/.rexec/agent.json
  fi
  bin_dir=${REXEC_BIN_DIR:-$bin_dir}
  config=${REXEC_CONFIG:-$config}
  # Paths of its own, whatever folder anything is called from.
  case $bin_dir in /*) ;; *) bin_dir=$(pwd)/$bin_dir ;; esac
  case $config in /*) ;; *) config=$(pwd)/$config ;; esac
  binary=$bin_dir/rexec-agent
  if is_root; then
    check_owner "$bin_dir"
    check_owner "$config"
  fi
  # The folder that this is called from may be gone, or closed to the account.
  cd /
  # The programs below are told by option, and only so.
  unset REXEC_CONFIG REXEC_HOST REXEC_API
}

# Root writes to no folder that another account could exchange meanwhile.
check_owner() {
  place=$1
  until [ "$place" = / ]; do
    # Not in POSIX, and in every shell: whether it is the account's that runs this. A link counts as what it leads to.
    # shellcheck disable=SC3067
    if [ -e "$place" ] && [ ! -O "$place" ]; then
      fail "$place belongs to another account, and root installs nothing there" \
        "run this as that account, or name folders of root's with REXEC_BIN_DIR and REXEC_CONFIG"
    fi
    place=$(dirname "$place")
  done
}

# Which service manager takes the agent: systemd, openrc, sysv, or nothing. The agent itself decides in the same way.
service_manager() {
  if [ -d /run/systemd/system ]; then
    if [ "$scope" = system ] || systemctl --user show-environment >/dev/null 2>&1; then echo systemd; fi
  elif [ "$scope" = user ]; then
    return 0
  elif [ -d /run/openrc ] || [ -e /sbin/openrc-run ]; then
    echo openrc
  elif [ -d /etc/init.d ]; then
    for registrar in /usr/sbin/update-rc.d /sbin/chkconfig /usr/sbin/chkconfig; do
      if [ -x "$registrar" ]; then
        echo sysv
        break
      fi
    done
  fi
}

# --- download ---

choose_downloader() {
  if command -v curl >/dev/null 2>&1; then
    downloader=curl
  elif command -v wget >/dev/null 2>&1; then
    downloader=wget
  else
    fail "neither curl nor wget is here" "install one of them: apt-get install curl, dnf install curl, apk add curl"
  fi
}

choose_hasher() {
  for hasher in sha256sum shasum openssl; do
    if command -v "$hasher" >/dev/null 2>&1; then return; fi
  done
  fail "nothing here computes SHA-256" "install coreutils or openssl"
}

# fetch URL FILE: on failure 1, and the reason in fetch_error; `missing` is 1 where the server answered 404.
fetch() {
  missing=0
  fetch_error=
  case $downloader in
  curl)
    # Redirects may not lead from https to http.
    case $1 in https:*) protocols='=https' ;; *) protocols='=http,https' ;; esac
    set -- -fsSL --proto "$protocols" --retry 2 --connect-timeout 20 -o "$2" "$1"
    if [ -n "${REXEC_CA_FILE:-}" ]; then set -- --cacert "$REXEC_CA_FILE" "$@"; fi
    fetch_error=$(curl "$@" 2>&1) && return 0
    ;;
  # Not quietly: GNU's -q keeps even the reason of a failure to itself.
  wget)
    set -- -O "$2" "$1"
    if [ -n "${REXEC_CA_FILE:-}" ]; then set -- --ca-certificate "$REXEC_CA_FILE" "$@"; fi
    if fetch_error=$(LC_ALL=C wget "$@" 2>&1); then
      case $fetch_error in
      *'certificate validation not implemented'*)
        [ "${REXEC_INSECURE:-}" = 1 ] ||
          fail "this wget does not check certificates, so anyone on the way could swap the agent" \
            "install curl, or set REXEC_INSECURE=1 where the network itself is trusted"
        ;;
      esac
      return 0
    fi
    ;;
  esac
  case $fetch_error in *'error: 404'* | *'ERROR 404'* | *' 404 '*) missing=1 ;; esac
  fetch_error=$(printf '%s' "$fetch_error" | tail -n 1)
  return 1
}

# The same for what is large, with a progress bar where a person looks on. The reason of a failure is on the screen then.
fetch_large() {
  if [ ! -t 2 ]; then
    fetch "$@"
    return
  fi
  fetch_error="see above"
  case $downloader in
  curl)
    case $1 in https:*) protocols='=https' ;; *) protocols='=http,https' ;; esac
    set -- -fSL --progress-bar --proto "$protocols" --retry 2 --connect-timeout 20 -o "$2" "$1"
    if [ -n "${REXEC_CA_FILE:-}" ]; then set -- --cacert "$REXEC_CA_FILE" "$@"; fi
    curl "$@"
    ;;
  wget)
    set -- -O "$2" "$1"
    if [ -n "${REXEC_CA_FILE:-}" ]; then set -- --ca-certificate "$REXEC_CA_FILE" "$@"; fi
    # GNU's shows a screenful of words too; busybox's has the bar alone, and no such options.
    if wget --help 2>&1 | grep -q -- --show-progress; then set -- -nv --show-progress "$@"; fi
    wget "$@"
    ;;
  esac
}

# The agent, checked against SHA256SUMS, to $workshop/rexec-agent: compressed where this machine can unpack it.
download() {
  fetch_sums
  candidate=$workshop/rexec-agent
  same=no
  if [ -f "$binary" ] && [ -x "$binary" ] && wanted=$(listed "$file") && [ "$(sha256 "$binary")" = "$wanted" ]; then
    same=yes
    candidate=$binary
    say "$binary is what $api offers"
    return
  fi
  for suffix in .xz .gz; do
    if listed "$file$suffix" >/dev/null && unpacker "$suffix" && fetch_compressed "$file$suffix"; then return; fi
  done
  say "downloading $api/downloads/$file"
  fetch_large "$api/downloads/$file" "$workshop/rexec-agent" || fail "cannot download $api/downloads/$file: $fetch_error" \
    "check the address (--api) and the network; does this server offer $file?"
  verify "$file" "$workshop/rexec-agent"
}

fetch_sums() {
  if fetch "$api/downloads/SHA256SUMS" "$workshop/SHA256SUMS"; then return; fi
  [ "$missing" = 1 ] || fail "cannot download $api/downloads/SHA256SUMS: $fetch_error" \
    "check the address (--api) and the network"
  [ "${REXEC_NO_CHECKSUM:-}" = 1 ] || fail "$api offers no SHA256SUMS, so that no download can be verified" \
    "check the address (--api): every gateway of this agent has one; REXEC_NO_CHECKSUM=1 installs an agent of this kind all the same"
  : >"$workshop/SHA256SUMS"
}

# The checksum that SHA256SUMS lists for a file; 1 where it lists none.
listed() {
  sum=$(awk -v file="$1" '{ sub(/^\*/, "", $2) } $2 == file { print $1; exit }' "$workshop/SHA256SUMS")
  [ -n "$sum" ] && echo "$sum"
}

# What unpacks .xz or .gz here, in `unpack`; 1 where nothing does.
unpacker() {
  case $1 in
  .xz) candidates='xz unxz' ;;
  *) candidates='gzip gunzip' ;;
  esac
  for unpack in $candidates; do
    if command -v "$unpack" >/dev/null 2>&1; then return 0; fi
  done
  return 1
}

# 1 where the server does not have it, or it does not unpack: then the next form is tried. A wrong sum ends it all.
fetch_compressed() {
  say "downloading $api/downloads/$1"
  if ! fetch_large "$api/downloads/$1" "$workshop/compressed"; then
    say "cannot download it ($fetch_error): trying another form"
    return 1
  fi
  verify "$1" "$workshop/compressed"
  if ! "$unpack" -dc <"$workshop/compressed" >"$workshop/rexec-agent"; then
    say "$unpack cannot unpack it: trying another form"
    return 1
  fi
  rm -f "$workshop/compressed"
  if listed "$file" >/dev/null; then verify "$file" "$workshop/rexec-agent"; fi
}

verify() {
  wanted=$(listed "$1") || {
    [ -s "$workshop/SHA256SUMS" ] ||
      {
        say "this server offers no SHA256SUMS: the download is not verified"
        return
      }
    fail "SHA256SUMS of $api does not list $1" "tell whoever runs that server"
  }
  got=$(sha256 "$2")
  [ "$got" = "$wanted" ] || fail "the checksum of $1 is wrong: SHA256SUMS says $wanted, the download has $got" \
    "try again; if it stays so, do not use this server"
  say "checksum is right ($(printf %.12s "$got")…)"
}

sha256() {
  case $hasher in
  sha256sum) sha256sum <"$1" ;;
  shasum) shasum -a 256 <"$1" ;;
  openssl) openssl dgst -sha256 -r <"$1" ;;
  esac | awk '{ print $1 }'
}

try_binary() {
  if [ "$same" = no ]; then chmod 755 "$candidate"; fi
  version=$("$candidate" --version 2>&1 </dev/null) ||
    fail "$file does not run on this machine: $version" "it needs a 64-bit Linux with glibc"
  # Another system's program of the same name takes other options, and would be registered and started by them.
  if ! printf '%s\n' "$version" | head -n 1 | grep -q '^rexec-agent v\{0,1\}[0-9][^ ]* ([^()]*)$'; then
    fail "$api offers another program as $file: it says that it is \"$(printf '%s' "$version" | head -n 1)\"" \
      "nothing was changed: use the installer that this server offers, or another server (--api)"
  fi
  if [ -z "$wanted_version" ]; then return; fi
  offered=$(printf '%s' "$version" | awk '{ sub(/^v/, "", $2); print $2; exit }')
  [ "$offered" = "$wanted_version" ] ||
    fail "$api offers rexec-agent $offered, not $wanted_version" "leave --version out, or ask whoever runs that server"
}

# --- what is changed, and how it is changed back ---

# A folder beside the place of the agent: the last step is then one rename, and no noexec /tmp is in the way.
open_workshop() {
  undoable=
  placed=no
  foreign=
  made_dirs=
  make_dir "$bin_dir" 755 || fail "cannot make $bin_dir" "run it as root, or set REXEC_BIN_DIR to a folder of yours"
  workshop=$(mktemp -d "$bin_dir/.rexec-install.XXXXXX") || {
    remove_dirs
    fail "cannot write to $bin_dir" "run it as root, or set REXEC_BIN_DIR to a folder of yours"
  }
  trap 'undo $?' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Makes a folder and those above it, and remembers which were not there.
make_dir() {
  above=$1
  missing_dirs=
  while [ ! -d "$above" ]; do
    missing_dirs="$missing_dirs$above
"
    above=$(dirname "$above")
  done
  made_dirs="$missing_dirs$made_dirs"
  (
    umask 022
    [ "$2" = 755 ] || umask 077
    mkdir -p "$1"
  ) 2>/dev/null
}

remove_dirs() {
  printf '%s' "$made_dirs" | while IFS= read -r each; do rmdir "$each" 2>/dev/null || true; done
}

place_binary() {
  had_binary=no
  if [ -e "$binary" ]; then
    had_binary=yes
    was=$("$binary" --version 2>/dev/null </dev/null) || was="what was there"
    # A second name: the program may be running, and is copied on no disk.
    ln "$binary" "$workshop/old" 2>/dev/null || cp -p "$binary" "$workshop/old"
  fi
  undoable=binary
  if [ "$same" = yes ]; then return; fi
  placed=yes
  mv -f "$workshop/rexec-agent" "$binary"
  if [ "$had_binary" = no ]; then
    say "installed $binary ($version)"
  else
    say "installed $binary ($version, in the place of $was)"
  fi
}

put_config_aside() {
  had_config=no
  took_over=no
  old_id=
  if [ -e "$config" ]; then
    had_config=yes
    old_id=$(setting agent_id)
    cp -p "$config" "$workshop/config"
  fi
  make_dir "$(dirname "$config")" 700 || fail "cannot make $(dirname "$config")" "run it as root, or name another file with REXEC_CONFIG"
}

# Whatever ends a run before its end leads here: the machine is put back as it was.
undo() {
  status=$1
  trap - EXIT HUP INT TERM
  set +e
  if [ -n "$undoable" ]; then
    say "undoing what was done" >&2
    undo_service
    undo_registration
    if [ "$had_config" = yes ]; then
      mv -f "$workshop/config" "$config"
    else
      rm -f "$config"
    fi
    put_binary_back
    if [ -n "$foreign" ]; then
      revive_foreign
    elif [ "$undoable" = service ] && [ "$had_service" = yes ]; then
      revive_service
    fi
  fi
  rm -rf "$workshop"
  remove_dirs
  exit "$status"
}

put_binary_back() {
  if [ "$placed" = no ]; then return; fi
  if [ "$had_binary" = no ]; then
    rm -f "$binary"
  elif ! mv -f "$workshop/old" "$binary" 2>/dev/null && ! cmp -s "$workshop/old" "$binary"; then
    say "could not put the former $binary back" >&2
  fi
}

close_workshop() {
  trap - EXIT HUP INT TERM
  if [ "$took_over" = yes ] && [ "$had_config" = yes ]; then
    mv -f "$workshop/config" "$config.bak"
    chmod 600 "$config.bak"
    say "kept the former configuration as $config.bak"
  fi
  rm -rf "$workshop"
}

# --- registration ---

# A plain value of the configuration file, YAML or JSON; of the original agent's file too, which spells some otherwise.
setting() {
  value=$(spelled "$1")
  case $value$1 in
  agent_id) value=$(spelled id) ;;
  api_url) value=$(spelled host) ;;
  esac
  if [ -n "$value" ]; then printf '%s\n' "$value"; fi
}

spelled() {
  [ -r "$config" ] || return 0
  awk '{ gsub(/[{},]/, "\n"); print }' "$config" | sed -n 's/^[[:space:]]*"\{0,1\}'"$1"'"\{0,1\}[[:space:]]*:[[:space:]]*["'\'']\{0,1\}\([^"'\'',[:space:]]*\).*/\1/p' | head -n 1
}

is_registered() {
  [ -n "$(setting agent_id)" ] && [ -n "$(setting token)" ]
}

register() {
  set -- register --config "$config"
  # Without a token it is registered already, where its file says.
  if [ -n "$token" ]; then set -- "$@" --host "$api"; fi
  if [ -n "$name" ]; then set -- "$@" --name "$name"; fi
  if [ -n "$labels" ]; then set -- "$@" --tags "$labels"; fi
  # By environment: arguments stand in the process list. Its stdin is not this script's. What is next is said at the end.
  if said=$(REXEC_TOKEN=$token "$binary" "$@" 2>&1 </dev/null); then
    printf '%s\n' "$said" | sed '/^next: /d'
    return
  else
    status=$?
  fi
  printf '%s\n' "$said" >&2
  exit "$status"
}

# Takes back a registration that this run has made.
undo_registration() {
  new_id=$(setting agent_id)
  if [ -z "$new_id" ] || [ "$new_id" = "$old_id" ] || [ -n "$agent_id" ]; then return; fi
  agent unregister --yes >/dev/null 2>&1 ||
    say "could not unregister it: remove agent $new_id at $api" >&2
}

# JSON is YAML too, so one text serves both kinds of file.
take_over() {
  if [ "$old_id" = "$agent_id" ] && [ "$(setting token)" = "$token" ] && [ "$(setting api_url)" = "$api" ] &&
    [ -z "$name$labels" ]; then
    say "is agent $agent_id already ($config)"
    return
  fi
  old_umask=$(umask)
  umask 077
  took_over=yes
  {
    printf '{\n  "api_url": %s,\n  "token": %s,\n  "agent_id": %s,\n' \
      "$(json "$api")" "$(json "$token")" "$(json "$agent_id")"
    if [ "${REXEC_INSECURE:-}" = 1 ]; then printf '  "insecure": true,\n'; fi
    if [ -n "${REXEC_CA_FILE:-}" ]; then printf '  "ca_file": %s,\n' "$(json "$REXEC_CA_FILE")"; fi
    printf '  "name": %s,\n  "labels": [%s]\n}\n' "$(json "${name:-$(uname -n)}")" "$(json_list "$labels")"
  } >"$config.new"
  mv -f "$config.new" "$config"
  umask "$old_umask"
  say "wrote $config"
}

json() {
  printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

json_list() {
  separator=
  rest=$1,
  while [ -n "$rest" ]; do
    word=${rest%%,*}
    rest=${rest#*,}
    word=$(printf '%s' "$word" | sed 's/^ *//; s/ *$//')
    if [ -n "$word" ]; then
      printf '%s%s' "$separator" "$(json "$word")"
      separator=', '
    fi
  done
}

# --- service ---

# One of the agent's own commands, with this configuration; its stdin is not this script's.
agent() {
  command=$1
  shift
  "$binary" "$command" --config "$config" "$@" </dev/null
}

# install and uninstall of the agent know the service manager.
service() {
  if [ "$scope" = user ]; then agent "$1" --user; else agent "$1"; fi
}

ctl() {
  if [ "$scope" = user ]; then systemctl --user --quiet "$@"; else systemctl --quiet "$@"; fi 2>/dev/null || true
}

# Where a service manager looks for the service.
service_files() {
  if [ "$scope" = user ]; then
    printf '%s\n' "${XDG_CONFIG_HOME:-$home/.config}/systemd/user/rexec-agent.service"
  else
    printf '%s\n' /etc/systemd/system/rexec-agent.service /etc/init.d/rexec-agent
  fi
}

has_service() {
  service_files | while IFS= read -r each; do if [ -e "$each" ]; then echo yes; fi; done | grep -q yes
}

is_running() {
  agent status --json >/dev/null 2>&1
}

start_service() {
  manager=$(service_manager)
  had_service=no
  if is_running || has_service; then had_service=yes; fi
  undoable=service
  stop_foreign
  if [ -n "$manager" ]; then
    service install || exit $?
    return
  fi
  if ! is_running; then
    agent start --daemon || exit $?
  elif [ "$placed" = no ] && cmp -s "$workshop/config" "$config"; then
    say "the agent runs already, and nothing has changed"
  else
    restart_agent || exit $?
  fi
  if [ "$scope" = user ]; then
    say "no service manager of this account runs here: the agent runs, but does not start at boot"
  else
    say "no service manager runs here (a container?): the agent runs, but does not start at boot"
  fi
}

# In place, where its shells stay open; one of an older version can only be ended and started again.
restart_agent() {
  if agent restart; then return; fi
  say "it cannot be restarted in place: its shells end"
  agent stop && agent start --daemon
}

# The service of another program of this name, and what ends it. Its files are kept until all is well.
stop_foreign() {
  if [ "$scope" != system ]; then return; fi
  for each in $(service_files); do
    if [ ! -e "$each" ] || grep -q 'rexec-agent install, which writes it anew' "$each"; then continue; fi
    cp -p "$each" "$workshop/foreign.${each##*/}"
    foreign="$foreign$each
"
    say "stopping the agent that $each runs"
    case $each in
    /etc/init.d/*) "$each" stop || true ;;
    *) ctl stop "${each##*/}" ;;
    esac </dev/null
  done
}

# As it was: its files, its programs, and its process.
revive_foreign() {
  while IFS= read -r each; do
    if [ -z "$each" ]; then continue; fi
    cp -p "$workshop/foreign.${each##*/}" "$each"
    say "starting the agent that $each runs" >&2
    case $each in
    /etc/init.d/*)
      { update-rc.d "${each##*/}" defaults || chkconfig --add "${each##*/}" || true; } >/dev/null 2>&1
      "$each" start
      ;;
    *)
      ctl daemon-reload
      ctl enable "${each##*/}"
      ctl restart "${each##*/}"
      ;;
    esac </dev/null || say "it does not start: look at it" >&2
  done <<FILES
$foreign
FILES
}

undo_service() {
  if [ "$undoable" != service ]; then return; fi
  if [ -n "$foreign" ]; then
    # With the program that made it: the one that comes back knows nothing of it.
    service uninstall
    agent stop
  elif [ -z "$manager" ] && [ "$had_service" = yes ]; then
    return
  elif [ -z "$manager" ]; then
    agent stop
  elif [ "$had_service" = no ]; then
    service uninstall
  fi >/dev/null 2>&1
}

# What ran before runs again, with the program and the configuration that it had.
revive_service() {
  if [ -n "$manager" ]; then
    service install
  elif is_running; then
    restart_agent
  else
    agent start --daemon
  fi >/dev/null 2>&1 ||
    say "the agent that ran before does not run any more: start it again" >&2
}

await_connection() {
  tries=0
  while :; do
    state=$(agent status --json 2>/dev/null || true)
    case $state in
    *'"connection": "connected"'* | *'"connection":"connected"'*)
      say "ready: this machine is connected to $(setting api_url)"
      return
      ;;
    *'"pending": true'* | *'"pending":true'*)
      say "installed: $(last_error "$state")"
      say "it connects by itself once it is accepted"
      return
      ;;
    esac
    tries=$((tries + 1))
    if [ "$tries" -gt "$CONNECT_SECONDS" ]; then break; fi
    sleep 1
  done
  why=$(last_error "$state")
  fail "the agent did not connect within $CONNECT_SECONDS seconds${why:+: $why}" \
    "to look into it, install it with --no-service and run: rexec-agent doctor"
}

# Why the agent is not connected, by what its status says.
last_error() {
  printf '%s\n' "$1" | sed -n 's/.*"message": *"\(.*\)".*/\1/p' | head -n 1
}

# --- uninstall ---

uninstall() {
  manager=$(service_manager)
  removed=
  id=$(setting agent_id)
  server=$(setting api_url)
  gone=no
  if [ -x "$binary" ] && "$binary" --version >/dev/null 2>&1 </dev/null; then
    if [ -n "$manager" ]; then service uninstall || say "could not remove the service: going on without the agent" >&2; fi
    agent stop >/dev/null 2>&1 || true
    if [ -n "$id" ] && agent unregister --yes; then gone=yes; fi
  fi
  # What is left, and all of it where the program is gone or does not run.
  remove_service
  if [ -n "$id" ] && [ "$gone" = no ]; then
    say "warning: agent $id may still be listed at $server: remove it there" >&2
  fi
  remove_files
  if [ -n "$removed" ]; then
    printf '%s' "$removed" | while IFS= read -r each; do say "removed $each"; done
  elif [ "$gone" = no ]; then
    say "nothing to do: there is no $binary and no $config"
  fi
}

remove_service() {
  if ! has_service; then return; fi
  ctl disable --now rexec-agent.service
  if [ "$scope" = system ] && [ -x /etc/init.d/rexec-agent ]; then
    /etc/init.d/rexec-agent stop || true
    rc-update del rexec-agent || update-rc.d -f rexec-agent remove || chkconfig --del rexec-agent || true
  fi >/dev/null 2>&1
  files=$(service_files)
  while IFS= read -r each; do
    remove "$each"
    rm -rf "$each.d"
  done <<FILES
$files
FILES
  ctl daemon-reload
}

remove_files() {
  for each in "$binary" "$binary.old" "$config" "${config%/*}/agent.env" "$config.bak" "$config.new" \
    "$bin_dir"/.rexec-install.* "$bin_dir"/.rexec-agent.*; do
    remove "$each"
  done
  # Logs and sockets of this agent alone: others may run with other configurations, and in ~/.rexec the CLI and the
  # gateway keep their things too.
  if [ "$scope" = user ]; then
    set -- "$home/.rexec/run" "${XDG_RUNTIME_DIR:-/nonexistent}/rexec" "$home/.rexec"
  else
    set -- /run/rexec /var/log/rexec /var/cache/rexec /etc/rexec
  fi
  for folder in "$@"; do
    for each in "$folder"/agent.sock "$folder"/agent.pid "$folder"/agent.log*; do remove "$each"; done
  done
  if [ "$scope" = user ]; then
    units=${XDG_CONFIG_HOME:-$home/.config}/systemd/user
    set -- "$@" "$bin_dir" "$home/.local" "$units/default.target.wants" "$units" "$(dirname "$units")"
  fi
  # Only those that are empty.
  for folder in "$@" "$(dirname "$config")"; do rmdir "$folder" 2>/dev/null || true; done
}

remove() {
  if [ -e "$1" ] || [ -L "$1" ]; then
    rm -rf "$1"
    removed="$removed$1
"
  fi
}

# --- words ---

# How to call the agent: by name where the PATH finds this very file.
command_name() {
  if [ "$(command -v rexec-agent 2>/dev/null)" = "$binary" ]; then
    echo rexec-agent
  else
    quote "$binary"
  fi
}

say_path() {
  case :$PATH: in
  *:"$bin_dir":*) ;;
  *) say "$bin_dir is not in your PATH" ;;
  esac
}

# One word for a shell, quoted where it needs it.
quote() {
  case $1 in
  *[!A-Za-z0-9_@%+=:,./-]*) printf "'%s'\n" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
  *) printf '%s\n' "$1" ;;
  esac
}

say() {
  printf '%s\n' "$*"
}

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

usage_error() {
  printf 'error: %s\nhint: --help lists the options\n' "$1" >&2
  exit 2
}

main "$@"
