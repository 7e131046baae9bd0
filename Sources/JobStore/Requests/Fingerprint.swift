/// 64-bit FNV-1a over a stream of fields: tells whether an enqueue with a known key brings the same requests.
/// It guards against mistakes, not against malice.
struct Fingerprint {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// As the tables keep it.
  var value: Int64 { Int64(bitPattern: state) }

  mutating func add(_ field: String) {
    for byte in field.utf8 { add(byte) }
    // No UTF-8 text holds this byte, so "ab","c" and "a","bc" differ.
    add(0xFF as UInt8)
  }

  /// Everything but `runAfter`: "in an hour" is another time at every try.
  mutating func add(_ request: JobRequest, loras: String, embeddings: String, framing: String?) {
    let settings = request.settings
    add(request.prompt)
    add(settings.model)
    add(settings.negativePrompt)
    add(
      """
      \(settings.width) \(settings.height) \(settings.steps) \(settings.guidance) \(settings.seed) \
      \(settings.count) \(settings.precision) \(request.priority) \(request.maxAttempts)
      """)
    add(settings.scheduler?.rawValue ?? "")
    add(loras)
    add(settings.initImage ?? "")
    add(settings.strength.map { "\($0)" } ?? "")
    add(settings.mask ?? "")
    add(settings.memoryBudget.map { "\($0)" } ?? "")
    // Only where they say something: batches of before keep the fingerprints they have.
    if settings.isPlainPrompt || settings.clipSkip != 0 || !settings.embeddings.isEmpty {
      add("\(settings.isPlainPrompt) \(settings.clipSkip)")
      add(embeddings)
    }
    // Only where there is one, so that keys of older versions still fit their batches.
    if let vae = settings.vae { add("vae \(vae)") }
    if let framing { add("framing \(framing)") }
  }

  private mutating func add(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
  }
}
