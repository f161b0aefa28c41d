# shellcheck shell=bash
# What lies between the parts: a proxy each before source (for the connector), target and broker (for the daemon), which does as
# its orders say (proxy.c); and, where root and nft are there, packets of those ports alone are lost in the kernel: then TCP
# itself finds out, by its retransmissions and timeouts.

PACKETS=replicator_faults_$BASE_PORT

network_start() {
  proxy_start source "$PROXY_SOURCE_PORT" "$SOURCE_PORT"
  proxy_start target-1 "${PROXY_TARGET_PORTS[1]}" "${TARGET_PORTS[1]}"
  proxy_start target-2 "${PROXY_TARGET_PORTS[2]}" "${TARGET_PORTS[2]}"
  proxy_start kafka "$PROXY_KAFKA_PORT" "$KAFKA_PROXIED_PORT"
  ! packets_can_be_lost || packets_start
}

network_stop() {
  local dir
  for dir in "$WORK"/proxy-*; do process_stop "$dir" 5; done
  nft delete table inet "$PACKETS" 2>/dev/null
}

# All is as it should be.
network_open() {
  local part
  for part in source target kafka; do
    proxy_order $part open
    packets_lost $part 0
  done
}

# --- proxies --------------------------------------------------------------------------------------------------------

proxy_start() {
  mkdir -p "$WORK/proxy-$1"
  echo open >"$WORK/proxy-$1/orders"
  process_spawn "$WORK/proxy-$1" "$WORK/proxy" "$2" "$3" "$WORK/proxy-$1/orders"
}

# proxy_order PART WORDS…: `target` has two proxies.
proxy_order() {
  local dir
  for dir in "$WORK/proxy-$1" "$WORK/proxy-$1"-[12]; do
    [ -d "$dir" ] || continue
    echo "${*:2}" >"$dir/orders.$BASHPID"
    mv "$dir/orders.$BASHPID" "$dir/orders"
    wait_until 10 order_is_taken "$dir" || die "the proxy ${dir##*/} takes no orders"
  done
}
order_is_taken() { [ ! -e "$1/orders" ] && [ ! -e "$1/orders.taken" ]; }

# --- packets --------------------------------------------------------------------------------------------------------

packets_can_be_lost() { [ "$EUID" -eq 0 ] && command -v nft >/dev/null && nft list tables >/dev/null 2>&1; }

packets_start() {
  nft -f - <<RULES
table inet $PACKETS {
  chain source { }
  chain target { }
  chain kafka { }
  chain input { type filter hook input priority 0; iif lo jump source; iif lo jump target; iif lo jump kafka; }
}
RULES
}

packets_ports() {
  case $1 in
    source) echo "$PROXY_SOURCE_PORT" ;;
    target) echo "${PROXY_TARGET_PORTS[1]}, ${PROXY_TARGET_PORTS[2]}" ;;
    kafka) echo "$PROXY_KAFKA_PORT" ;;
  esac
}

# packets_lost PART PERCENT: so many of a hundred, in both directions, between the part's proxy and its clients.
packets_lost() {
  local ports some="numgen random mod 100 < $2"
  packets_can_be_lost || return 0
  [ "$2" -lt 100 ] || some=
  ports=$(packets_ports "$1")
  nft -f - <<RULES
flush chain inet $PACKETS $1
add rule inet $PACKETS $1 tcp dport { $ports } $some drop
add rule inet $PACKETS $1 tcp sport { $ports } $some drop
RULES
}
