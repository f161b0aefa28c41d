# shellcheck shell=bash disable=SC2034
# Small file systems that can be filled: loop-mounted images, for the spill folder and for the target's tables (a tablespace of
# the seed's database).

disks_can_be_made() { [ "$EUID" -eq 0 ] && [ -e /dev/loop-control ] && command -v mkfs.ext4 >/dev/null; }

disk_make() { # NAME MEGABYTES
  truncate -s "$2M" "$WORK/$1.img"
  mkfs.ext4 -q -F -m 0 "$WORK/$1.img"
  mkdir "$WORK/$1"
  mount -o loop "$WORK/$1.img" "$WORK/$1"
}

disk_fill() { dd if=/dev/zero of="$WORK/$1/filler" bs=16k status=none 2>/dev/null || true; }
disk_room() { rm -f "$WORK/$1/filler"; }

disks_make() {
  disk_make spill 64
  disk_make tables 256
  mkdir "$WORK/tables/data"
  chown "$PG_OS_USER" "$WORK/tables/data"
  target_psql postgres -c "CREATE TABLESPACE small LOCATION '$WORK/tables/data'"
}

# After the seed's database is dropped.
disks_end() {
  local disk
  [ ! -d "$WORK/tables" ] || target_psql postgres -c 'DROP TABLESPACE IF EXISTS small' || warn "the target has its small tablespace still"
  for disk in spill tables; do
    [ -d "$WORK/$disk" ] || continue
    umount "$WORK/$disk" || umount -l "$WORK/$disk"
    rm -rf "${WORK:?}/$disk" "$WORK/$disk.img"
  done
}
