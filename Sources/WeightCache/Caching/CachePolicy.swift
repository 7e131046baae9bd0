/// Which part is evicted when another needs room.
package enum CachePolicy: String, Sendable, CaseIterable {
  /// The part that was unused for longest. It is the worst policy for the layers of a step, which are used in the
  /// same order again and again: each part leaves just before it is needed.
  case lru
  /// The part whose next use is farthest ahead (Belady's rule, with a forecast by each layer's latest routing).
  case nextUse = "next-use"
  /// The part that was read last, so that the first ones to fit stay.
  case pinFirst = "pin-first"
}
