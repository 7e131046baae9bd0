import CommandLine
import JobStore

/// What to say of jobs that wait for what a fetcher brings.
enum FetcherHint {
  /// What to run where nobody fetches.
  static func text(_ sources: String) -> String {
    "waiting for \(sources), and no fetcher runs: `systemctl enable --now segmoe-fetch`, or start "
      + "`segmoed --fetch` or `segmoed fetch`"
  }

  /// Says on standard error what jobs wait for, and what to run if nobody fetches it.
  /// - Parameters:
  ///   - waits: what they wait for.
  ///   - store: the queue.
  ///   - hasDroppedToken: whether a link had a token in it.
  ///   - isJSON: whether a program reads the answer: then it is said only if somebody has to act.
  static func announce(
    _ waits: [SourceRecord], _ store: any JobQueue, hasDroppedToken: Bool, isJSON: Bool
  ) throws {
    if hasDroppedToken {
      complain("the token in the link is not kept: the fetcher needs it as CIVITAI_API_TOKEN")
    }
    guard !waits.isEmpty else { return }
    let sources = waits.map(\.source).joined(separator: ", ")
    guard try store.fetchers().isEmpty else {
      if !isJSON { complain("waiting for \(sources), which is fetched first") }
      return
    }
    complain(text(sources))
  }
}
