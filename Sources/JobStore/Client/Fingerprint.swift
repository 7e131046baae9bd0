import Requests

/// 64-bit FNV-1a over a stream of fields. It tells whether an enqueue with a known key has the same requests. It is a
/// guard against mistakes, not against attacks.
package struct Fingerprint {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Of no requests.
  package init() {}

  /// The value as the tables store it.
  package var value: Int64 { Int64(bitPattern: state) }

  /// Adds everything except `runAfter`, because "in an hour" is another time at every try. Settings with their
  /// defaults are left out, so that a new setting in a later version changes no fingerprint.
  package mutating func add(_ request: JobRequest) {
    for setting in Setting.all where !setting.isDefault(request.render) {
      add(setting.name)
      add(setting.text(request.render))
    }
    add("\(request.priority) \(request.maxAttempts)")
  }

  private mutating func add(_ field: String) {
    for byte in field.utf8 { add(byte) }
    // A separator that no UTF-8 text contains, so that "ab","c" and "a","bc" differ.
    add(0xFF as UInt8)
  }

  private mutating func add(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
  }
}
