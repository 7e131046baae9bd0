import JobStore
import PostgresStore
import Testing

/// How often a worker says how far it is.
@Suite struct ReportPaceTests {
  private static func progress(_ index: Int = 0, _ phase: RenderPhase = .denoising, step: Int)
    -> ImageProgress
  {
    ImageProgress(index: index, phase: phase, step: step, steps: 25)
  }

  /// Steps of a second are all told, those of 30 ms not; the end of a phase always.
  @Test(arguments: [(1.0, [1, 2, 3, 4, 5]), (0.03, [1, 5])])
  func fewWorkersTellWhatCanBeSeen(seconds: Double, told: [Int]) {
    let pace = ReportPace()
    let begun = ContinuousClock.now
    func tells(_ progress: ImageProgress, at step: Int) -> Bool {
      pace.isWorthTelling(
        progress, of: 1, among: [1], crowd: 50, now: begun + .seconds(Double(step) * seconds))
    }
    #expect((1...5).filter { tells(Self.progress(step: $0), at: $0) } == told)
    #expect(
      tells(Self.progress(0, .decoding, step: 5), at: 5) && tells(Self.progress(0, .done, step: 5), at: 5))
    // Of a job that is over the server is asked at once.
    #expect(!tells(Self.progress(0, .done, step: 5), at: 5))
    #expect(pace.isWorthTelling(Self.progress(0, .done, step: 5), of: 1, among: [], crowd: 50, now: begun))
  }

  @Test func manyTellRarelyAndEachPhase() {
    let pace = ReportPace()
    let begun = ContinuousClock.now
    func tells(_ progress: ImageProgress, of job: Int64 = 1, after seconds: Double) -> Bool {
      pace.isWorthTelling(progress, of: job, among: [1, 2], crowd: 10_050, now: begun + .seconds(seconds))
    }
    #expect(tells(Self.progress(step: 1), after: 0))
    #expect(!tells(Self.progress(step: 2), after: 19))
    // Another image, and another job.
    #expect(tells(Self.progress(1, step: 2), after: 19))
    #expect(tells(Self.progress(step: 2), of: 2, after: 19))
    #expect(tells(Self.progress(step: 3), after: 20))
    #expect(!tells(Self.progress(step: 4), after: 39))
    #expect(tells(Self.progress(0, .decoding, step: 25), after: 39))
    // A job that came back is new.
    #expect(
      pace.isWorthTelling(
        Self.progress(step: 1), of: 2, among: [2], crowd: 10_050, now: begun + .seconds(100)))
    #expect(tells(Self.progress(0, .decoding, step: 25), after: 39))
  }
}
