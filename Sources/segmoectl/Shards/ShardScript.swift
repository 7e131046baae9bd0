/// The batch script that renders one shard. A person may read it, copy it and change it.
struct ShardScript {
  let folder: ShardFolder
  let manifest: ShardFolder.Manifest
  /// Folders of models on the machines that render; empty: what their configuration says.
  let models: [String]
  /// Folders that every machine has under the same path.
  let shared: [String]

  /// Whether a path may stand in a directive of sbatch, where nothing is quoted and `%` means something.
  static func isPlain(_ path: String) -> Bool {
    path.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "/._-+@,=:".utf8.contains(byte)
      }
    }
  }

  var text: String {
    """
    #!/bin/bash
    #SBATCH --job-name=segmoe-\(manifest.batch)
    #SBATCH --array=0-\(manifest.shards - 1)%\(manifest.tasks)
    #SBATCH --output=\(folder.path)/logs/%a.log
    #SBATCH --open-mode=append
    #SBATCH --requeue
    #SBATCH --signal=B:USR1@120
    # Renders one shard of batch \(manifest.batch). `segmoectl shard` has written this; `segmoectl submit --slurm` submits it.
    # It may be killed, requeued, submitted twice and run twice at a time: pictures come home by their content, and each
    # attempt leaves a file of its own.
    set -u

    dir=\(folder.path)
    options=(\(options))
    shard=${SLURM_ARRAY_TASK_ID:?submit this with sbatch}
    attempt=$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}
    over=$dir/results/$(printf %04d "$shard").over

    # All of it was rendered by an array that was submitted before.
    [ -e "$over" ] && exit 0

    # A machine that can render nothing must not run through the whole array in a minute.
    fail() { sleep "${SHARD_SECONDS:-60}"; exit "$1"; }

    # The queue is on this machine's own disk, because SQLite's log does not work on a folder that machines share.
    work=$(mktemp -d "${TMPDIR:-/tmp}/segmoe-$attempt-XXXXXX") || fail 1
    trap 'rm -rf "$work"' EXIT
    segmoectl stage in "$dir" "$shard" "$work" || fail 1

    # What is done so far comes home; the lock lets one copy be made at a time.
    bring() { flock "$work/lock" segmoectl stage out "$dir" "$shard" "$work" --attempt "$attempt"; }

    # The time is nearly up: the shard goes back into Slurm's queue. Any other end is Slurm's own decision.
    daemon='' why=''
    end() { why=$1; [ -n "$daemon" ] && kill -TERM "$daemon" 2>/dev/null; }
    trap 'end requeue' USR1
    trap 'end stop' TERM INT

    # A killed daemon is started again: the shard's queue sets a job aside that has killed it three times.
    for try in {1..30}; do
      [ -n "$why" ] && break
      segmoed --drain --database "$work/queue.sqlite" --output "$work/pictures" --worker "shard-$shard" \\
        --threads "${SLURM_CPUS_PER_TASK:-1}" "${options[@]}" &
      daemon=$!
      # The signal may have come before it was started.
      [ -n "$why" ] && kill -TERM "$daemon" 2>/dev/null
      while sleep "${SHARD_SECONDS:-60}"; do bring; done &
      copier=$!
      # A signal ends the wait, and the daemon has yet to end.
      wait "$daemon"; code=$?
      while kill -0 "$daemon" 2>/dev/null; do wait "$daemon"; code=$?; done
      kill "$copier" 2>/dev/null
      bring || fail 1
      [ -e "$over" ] && exit 0
      # Below 64 and above 128 it was killed, or has left jobs. Between, it will not start here: its words say why.
      [ "$code" -ge 64 ] && [ "$code" -le 78 ] && fail "$code"
      [ "$code" -le 1 ] && break
      sleep 1
    done
    if [ "$why" = requeue ] && [ "$SECONDS" -lt "${SHARD_SECONDS:-60}" ]; then
      echo "shard $shard: its time is up at once, and would be in every attempt: give it more (--time)" >&2
      exit 1
    fi
    if [ "$why" = requeue ]; then
      rm -rf "$work"
      # Not $SLURM_JOB_ID: in the last task that is the number of the array, and all that run would be requeued.
      exec scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    fi
    [ "$why" = stop ] && exit 143
    echo "shard $shard: jobs are left that cannot be rendered here:" >&2
    segmoectl --database "$work/queue.sqlite" list --state queued --state failed --limit 5 >&2
    fail 1

    """
  }

  /// The daemon's options, each a word of bash.
  private var options: String {
    let inputs = [folder.files] + shared
    let places = models.isEmpty ? [] : models + inputs
    return (places.flatMap { ["--models", $0] } + inputs.flatMap { ["--inputs", $0] })
      .map { Self.isPlain($0) ? $0 : "'\($0.replacing("'", with: "'\\''"))'" }.joined(separator: " ")
  }
}
