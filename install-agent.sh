#!/bin/sh
# Installs rexec-agent on this machine and, with a token, registers it.
#
#   curl -fsSL https://rexec.pipeops.io/install-agent.sh | sh -s -- --token rexec_… --name my-server
#
# POSIX sh. Everything is in functions, and the last line calls main: a download that is cut short runs nothing.
set -eu

# A gateway that serves this file puts its own address here.
REXEC_API_DEFAULT="https://rexec.pipeops.io"

usage() {
  cat <<USAGE
Installs rexec-agent (to /usr/local/bin as root, else to ~/.local/bin) and registers this machine.

usage: install-agent.sh [options]
  -t, --token TOKEN    API token (or REXEC_TOKEN); without one the agent is installed but not registered
  -n, --name NAME      name of this machine (default: its hostname)
  -l, --labels LIST    comma-separated labels
  -i, --agent-id ID    this agent exists already: take its id and token over instead of registering
      --api URL        address of the Rexec server (or REXEC_API, REXEC_HOST; default: $REXEC_API_DEFAULT)
  -h, --help           this text

environment: REXEC_BIN_DIR installs to another folder, REXEC_CONFIG names the configuration file,
             REXEC_INSECURE=1 allows a plain http server that is not this machine
USAGE
}

main() {
  token=${REXEC_TOKEN:-}
  name=
  labels=
  agent_id=
  api=${REXEC_HOST:-${REXEC_API:-$REXEC_API_DEFAULT}}
  temporary=
  parse_options "$@"
  api=${api%/}
  check_api
  check_values

  arch=$(machine_arch)
  file=rexec-agent-linux-$arch
  bin_dir=$(choose_bin_dir)
  binary=$bin_dir/rexec-agent
  choose_downloader
  choose_hasher

  mkdir -p "$bin_dir" || fail "cannot make $bin_dir" "run it as root, or set REXEC_BIN_DIR to a folder of yours"
  # In the folder where it will stay: the last step is then one rename, and no noexec /tmp is in the way.
  temporary=$(mktemp "$bin_dir/.rexec-agent.XXXXXX") ||
    fail "cannot write to $bin_dir" "run it as root, or set REXEC_BIN_DIR to a folder of yours"
  trap 'rm -f "$temporary" "$temporary.sums"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  say "downloading $api/downloads/$file"
  fetch "$api/downloads/$file" "$temporary" || fail "cannot download $api/downloads/$file: $fetch_error" \
    "check the address (--api) and the network; does this server offer $file?"
  verify
  chmod 755 "$temporary"
  version=$("$temporary" --version 2>&1 </dev/null) || fail "$file does not run on this machine: $version" \
    "it needs a 64-bit Linux with glibc; on Alpine and other musl systems it cannot run"
  mv -f "$temporary" "$binary"
  say "installed $binary ($version)"

  if [ -n "$agent_id" ]; then
    take_over
  elif [ -n "$token" ]; then
    register
  else
    next_steps "$(command_name) register --host $(quote "$api")"
    return
  fi
  next_steps "$(command_name) start"
}

# --- options ---

parse_options() {
  while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --*=*)
      option=$1
      shift
      set -- "${option%%=*}" "${option#*=}" "$@"
      ;;
    -t | --token | -n | --name | -l | --labels | -i | --agent-id | --api)
      [ $# -ge 2 ] || usage_error "$1 needs a value"
      case $1 in
      -t | --token) token=$2 ;;
      -n | --name) name=$2 ;;
      -l | --labels) labels=$2 ;;
      -i | --agent-id) agent_id=$2 ;;
      --api) api=$2 ;;
      esac
      shift 2
      ;;
    *) usage_error "unknown option $1" ;;
    esac
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

# What goes into the configuration file must not be able to break out of its quotes.
check_values() {
  if [ -n "$agent_id" ] && [ -z "$token" ]; then
    usage_error "--agent-id needs the agent's --token too"
  fi
  case $agent_id in
  *[!A-Za-z0-9_.:-]*) usage_error "\"$agent_id\" is no agent id" ;;
  esac
  case $token in
  *[!A-Za-z0-9_.~+/=-]*) usage_error "that is no token: it holds a character that no token has" ;;
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
  armv6* | armv7* | armv8l)
    fail "there is no rexec-agent for 32-bit ARM (uname -m: $machine)" "on a Raspberry Pi 3 or later, install the 64-bit system"
    ;;
  *) fail "there is no rexec-agent for this machine (uname -m: $machine)" "it exists for x86_64 and aarch64" ;;
  esac
}

choose_bin_dir() {
  if [ -n "${REXEC_BIN_DIR:-}" ]; then
    echo "$REXEC_BIN_DIR"
  elif is_root; then
    echo /usr/local/bin
  else
    echo "${HOME:?HOME is not set}/.local/bin"
  fi
}

is_root() {
  [ "$(id -u)" = 0 ]
}

# --- download ---

choose_downloader() {
  if command -v curl >/dev/null 2>&1; then
    downloader=curl
  elif command -v wget >/dev/null 2>&1; then
    downloader=wget
  else
    fail "neither curl nor wget is here" "install one of them"
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
    fetch_error=$(curl -fsSL --proto "$protocols" --retry 2 --connect-timeout 20 -o "$2" "$1" 2>&1) && return 0
    ;;
  # Not quietly: GNU's -q keeps even the reason of a failure to itself.
  wget) fetch_error=$(LC_ALL=C wget -O "$2" "$1" 2>&1) && return 0 ;;
  esac
  case $fetch_error in *'error: 404'* | *'ERROR 404'* | *' 404 '*) missing=1 ;; esac
  fetch_error=$(printf '%s' "$fetch_error" | tail -n 1)
  return 1
}

verify() {
  if ! fetch "$api/downloads/SHA256SUMS" "$temporary.sums"; then
    [ "$missing" = 1 ] || fail "cannot download $api/downloads/SHA256SUMS: $fetch_error" "try again"
    say "this server offers no SHA256SUMS: the download is not verified"
    return
  fi
  wanted=$(awk -v file="$file" '{ sub(/^\*/, "", $2) } $2 == file { print $1; exit }' "$temporary.sums")
  [ -n "$wanted" ] || fail "SHA256SUMS of $api does not list $file" "tell whoever runs that server"
  got=$(sha256 "$temporary")
  [ "$got" = "$wanted" ] || fail "the checksum of $file is wrong: SHA256SUMS says $wanted, the download has $got" \
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

# --- registration ---

register() {
  set -- register --host "$api"
  if [ -n "$name" ]; then set -- "$@" --name "$name"; fi
  if [ -n "$labels" ]; then set -- "$@" --tags "$labels"; fi
  # By environment: arguments stand in the process list. Its stdin is not this script's.
  REXEC_TOKEN=$token "$binary" "$@" </dev/null || {
    status=$?
    printf 'hint: rexec-agent is installed; mend what it says and run: %s register --host %s\n' \
      "$(command_name)" "$(quote "$api")" >&2
    exit "$status"
  }
}

# JSON is YAML too, so one text serves both kinds of file.
take_over() {
  config=${REXEC_CONFIG:-}
  if [ -z "$config" ]; then
    if is_root; then config=/etc/rexec/agent.yaml; else config=$HOME/.rexec/agent.json; fi
  fi
  old_umask=$(umask)
  umask 077
  mkdir -p "$(dirname "$config")"
  if [ -e "$config" ]; then
    mv -f "$config" "$config.bak"
    say "kept the former configuration as $config.bak"
  fi
  {
    printf '{\n  "api_url": %s,\n  "token": %s,\n  "agent_id": %s,\n' \
      "$(json "$api")" "$(json "$token")" "$(json "$agent_id")"
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

# --- words ---

# How to call the agent: by name where the PATH finds this very file.
command_name() {
  if [ "$(command -v rexec-agent 2>/dev/null)" = "$binary" ]; then
    echo rexec-agent
  else
    quote "$binary"
  fi
}

next_steps() {
  case :$PATH: in
  *:"$bin_dir":*) ;;
  *) say "$bin_dir is not in your PATH" ;;
  esac
  say "next: $1"
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
