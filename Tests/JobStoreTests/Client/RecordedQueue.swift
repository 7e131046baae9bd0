import JobStore
import Requests
import Testing

/// A mixed queue as a daemon rendered it: three golden models at four sizes, in the order in which it took them, on a
/// machine with other work, so that a step took now twice and now half as long.
enum RecordedQueue {
  /// A job of it.
  struct Job {
    let request: JobRequest
    /// Seconds from the claim to the end.
    let whole: Double
    /// Seconds of each image.
    let images: [Double]

    /// Seconds before its first image, in which its model was read.
    var loading: Double { max(0, whole - images.reduce(0, +)) }
  }

  /// The recording took three minutes. So much longer, it takes two hours, as such a queue of large models.
  private static let stretch = 40.0

  /// Its jobs.
  /// - Throws: if the text below was damaged.
  static func jobs() throws -> [Job] {
    try recording.split(separator: "\n").map { line in
      let words = line.split(separator: " ")
      let numbers = try words.dropFirst().map { try #require(Int($0)) }
      var render = RenderRequest(model: String(words[0]))
      (render.width, render.height, render.steps) = (numbers[0], numbers[1], numbers[2])
      let times = numbers[3...].map { Double($0) / 1000 * stretch }
      render.count = times.count - 1
      render.prompt = "a red fox"
      return Job(request: JobRequest(render), whole: times[0], images: Array(times[1...]))
    }
  }

  /// A job a line: model, width, height, steps; milliseconds of the job and of each of its images.
  private static let recording = """
    tiny 256 256 120 3424 3292
    tiny 64 64 20 166 141
    tiny 64 64 120 1847 822 1003
    tiny 128 192 20 273 241
    tiny 64 64 20 339 177 70
    tiny 128 192 120 4060 1962 2075
    tiny 128 128 20 199 93 88
    tiny 64 64 30 81 73
    tiny 64 64 250 1337 609 721
    tiny 128 192 250 2324 2291
    tiny 128 128 50 292 260
    tiny 64 64 30 232 105 105
    tiny 128 128 30 199 165
    tiny 256 256 30 509 478
    tiny 256 256 20 464 371
    tiny 256 256 20 364 325
    tiny 64 64 50 396 371
    tiny 256 256 50 1683 763 846
    tiny 128 128 30 208 169
    tiny 128 128 120 1181 1171
    tiny 64 64 20 165 73 71
    tiny 128 192 250 3560 3530
    tiny 128 128 120 1699 1669
    tiny 64 64 250 1229 1222
    tiny 128 192 30 794 759
    tiny 128 192 120 1873 1840
    tiny 64 64 120 467 410
    tiny 256 256 20 574 554
    tiny 256 256 120 4938 4908
    tiny 256 256 250 6891 6854
    tiny 256 256 120 7129 2285 4806
    tiny 128 192 30 476 439
    tiny 128 192 250 4973 2501 2403
    tiny 128 192 50 376 327
    tiny 128 192 120 1587 1553
    xl 128 128 120 3492 3423
    xl 64 64 30 755 735
    xl 64 64 50 2200 1478 686
    xl 128 128 50 592 551
    xl 128 192 50 1250 608 599
    xl 128 192 120 3192 1700 1448
    xl 64 64 120 2533 2503
    xl 128 128 250 4432 4394
    xl 256 256 120 2003 1918
    xl 64 64 50 1138 1123
    xl 256 256 50 2025 1927
    xl 64 64 30 347 305
    xl 128 128 20 328 228
    xl 256 256 30 1383 1345
    xl 64 64 120 2800 2782
    xl 256 256 250 10278 5909 4342
    xl 64 64 30 324 294
    xl 128 128 20 288 237
    xl 128 128 120 3559 3529
    xl 128 128 20 259 230
    xl 64 64 30 910 301 576
    xl 256 256 120 8872 3664 5168
    xl 128 192 30 1388 988 368
    mixture 64 64 20 232 116
    mixture 128 192 30 493 471
    mixture 128 128 20 363 303
    mixture 256 256 250 21786 12254 9510
    mixture 64 64 50 300 241
    mixture 128 128 50 742 355 356
    mixture 128 128 20 1345 669 632
    mixture 128 128 50 1324 1271
    mixture 128 192 250 8583 5098 3459
    mixture 128 192 250 5268 5259
    mixture 256 256 120 15396 6019 9316
    mixture 256 256 250 8899 8397
    mixture 64 64 20 172 114
    mixture 128 128 250 5953 5613
    """
}
