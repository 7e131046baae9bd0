import ArgumentParser
import JobStore

/// `segmoectl stats`
struct Stats: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what finished jobs took, by model: time, memory, cache of weights.",
    discussion: "For a single job use `segmoectl show JOB`.")

  @OptionGroup var location: Location

  @Option(help: ArgumentHelp("Only jobs of this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @OptionGroup var format: RowFormat

  func run() throws {
    try format.check(QueueJSON.modelStatistics)
    let store = try location.open(for: .reading)
    let models = try store.statistics(batch: try batch?.number(in: store))
    if format.print(models, QueueJSON.modelStatistics) { return }
    if models.isEmpty {
      print("Nothing is done yet.")
    } else {
      print(TerminalText.table(Self.header, models.map(Self.row)))
    }
  }

  private static let header = [
    "MODEL", "PRECISION", "JOBS", "IMAGES", "S/IMAGE", "HITS", "MISSES", "BYPASSES", "READ", "WAITED", "PEAK",
  ]

  private static func row(_ model: ModelStatistics) -> [String] {
    let counts = model.statistics
    let perImage = model.seconds / Double(max(1, model.images))
    return [
      JobTable.model(model.model), model.precision.rawValue, "\(model.jobs)", "\(model.images)",
      "\((perImage * 10).rounded() / 10)", "\(counts.cacheHits)", "\(counts.cacheMisses)",
      "\(counts.cacheBypasses)", "\(counts.bytesRead >> 20) MiB",
      "\((Double(counts.stall) / 1000).rounded().formatted()) s",
      "\(counts.peakBytes >> 20) MiB",
    ]
  }
}
