/// Which part leaves when another needs its room.
package enum CachePolicy: String, Sendable, CaseIterable {
  /// The one unused for the longest time. For what comes by in a circle, as the layers of a step do, it is
  /// the worst there is: each part leaves just before it is needed again.
  case lru
  /// The one whose next use is the farthest (Belady's rule, with each layer's latest routing for a forecast).
  case nextUse = "next-use"
  /// The one that came last: what fits first stays.
  case pinFirst = "pin-first"
}
