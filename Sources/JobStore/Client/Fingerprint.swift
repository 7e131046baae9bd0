import Requests

/// 64-bit FNV-1a over a stream of fields: tells whether an enqueue with a known key brings the same requests.
/// It guards against mistakes, not against malice.
struct Fingerprint {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// As the tables keep it.
  var value: Int64 { Int64(bitPattern: state) }

  /// Everything but `runAfter`: "in an hour" is another time at every try. Settings that nobody changed are left out,
  /// so that a setting that is new in a later version changes no fingerprint.
  mutating func add(_ request: JobRequest) {
    for setting in Setting.all where !setting.isDefault(request.render) {
      add(setting.name)
      add(setting.text(request.render))
    }
    add("\(request.priority) \(request.maxAttempts)")
  }

  private mutating func add(_ field: String) {
    for byte in field.utf8 { add(byte) }
    // No UTF-8 text holds this byte, so "ab","c" and "a","bc" differ.
    add(0xFF as UInt8)
  }

  private mutating func add(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
  }
}
