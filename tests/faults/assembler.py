"""For gdb: what the assembler of a daemon waits for. seed.sh adds it to the stacks of a daemon whose target stands still."""
import gdb

FIELDS = ["snapshot", "snapshot_boundary", "snapshot_open", "snapshot_over", "snapshot_last_row", "snapshot_awaited", "taking",
          "taking_tx_id", "taken_count", "watermark", "passed_lsn", "message_lsn", "mark_count", "mark_partition", "marks_known",
          "waiting_bytes", "judging", "orphan_count", "quiet", "quiet_ticks", "ends_asked", "settle", "restarted", "word_open",
          "awaits_gone", "awaits_numbers"]
LANE_FIELDS = ["position", "count", "bytes", "snapshot_rows", "own_rows", "snapshot_seen", "snapshot_passed", "barrier_known",
               "barrier", "gap_until", "gone", "repeated_count", "resolve_at", "unjudged_until", "end", "end_unknown", "again_until"]
MOST_RUNS = 15


def find_assembler():
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        frame = gdb.newest_frame()
        while frame is not None:
            try:
                return frame.read_var("source")["assembler"].dereference()
            except (ValueError, gdb.error):
                frame = frame.older()
    return None


def show_lane(lane):
    """Runs of changes of one transaction, or of rows of one snapshot."""
    last, runs = None, 0
    for j in range(int(lane["count"])):
        change = lane["ring"][(int(lane["head"]) + j) % int(lane["capacity"])].dereference()
        key = (int(change["tx_id"]), str(change["snapshot"]))
        if key == last:
            continue
        last, runs = key, runs + 1
        if runs > MOST_RUNS:
            return
        print("    %d: transaction %d %s lsn %x previous %x offset %d" % (
            j, key[0], key[1], int(change["lsn"]), int(change["previous_commit_lsn"]), int(change["offset"])))


assembler = find_assembler()
if assembler is not None:
    for field in FIELDS:
        print(field, assembler[field])
    for i in range(int(assembler["lane_count"])):
        lane = assembler["lanes"][i]
        if lane["used"]:
            print("lane", i, {field: str(lane[field]) for field in LANE_FIELDS})
            show_lane(lane)
    for j in range(min(int(assembler["mark_count"]), MOST_RUNS)):
        mark = assembler["marks"][(int(assembler["mark_head"]) + j) % int(assembler["mark_capacity"])].dereference()
        print("mark", j, "END" if mark["end"] else "BEGIN", int(mark["tx_id"]), "%x" % int(mark["lsn"]), "offset", int(mark["offset"]))
