import Tensors

/// Which of the works that a process does side by side has how much of its memory, and who waits for memory. A process
/// that does one work at a time has one share, which nothing is held against.
///
/// Whoever waits has nothing: so nobody waits for one who waits. All wait in one line, so that a large work, which waits
/// until the others are over, is not overtaken for ever.
struct MemoryShares: Sendable {
  /// All numbers are bytes.
  struct Share: Sendable {
    /// Whose tensors it is; nil for the only work.
    let lane: WorkLane?
    /// Whether it may take memory.
    var isAtWork = false
    /// The most tensors that it has at one time.
    var tensors = 0
    /// The most tensors and weights that it needs at one time.
    var total = 0
    /// The most tensors in one phase of what was admitted last.
    var largestPhase = 0
    /// What the phase that was entered last has for its tensors.
    var phaseBytes = 0
  }

  /// What works beside one take. All numbers are bytes.
  struct Others: Sendable {
    /// Their tensors at most.
    var tensors = 0
    /// Their tensors and weights at most.
    var total = 0
    /// Their tensors at the moment.
    var live = 0
  }

  private var shares = [Share(lane: nil)]
  /// Who waits, in the order in which they came.
  private var line: [Int] = []
  /// Beside whom nobody may begin.
  private(set) var alone: Int?

  subscript(index: Int) -> Share {
    get { shares[index] }
    _modify { yield &shares[index] }
  }

  /// Adds a share.
  /// - Returns: its number.
  mutating func add(_ lane: WorkLane) -> Int {
    shares.append(Share(lane: lane))
    return shares.count - 1
  }

  /// Whether works beside this one may take memory.
  func hasOthers(than index: Int) -> Bool {
    shares.indices.contains { $0 != index && shares[$0].isAtWork }
  }

  func others(than index: Int) -> Others {
    var others = Others()
    for (other, share) in shares.enumerated() where other != index {
      let live = share.lane?.liveBytes ?? 0
      others.live += live
      // What stays of a work that is over, such as its texts, counts as it is.
      guard share.isAtWork else {
        others.tensors += live
        others.total += live
        continue
      }
      others.tensors += max(share.tensors, live) + MemoryBudget.leastMargin
      others.total += max(share.total, live) + MemoryBudget.leastMargin
    }
    return others
  }

  /// The most tensors that all works have in one phase.
  var largestPhases: Int { shares.reduce(0) { $0 + $1.largestPhase } }

  /// Makes a share larger, if it is smaller than that.
  mutating func raise(_ index: Int, tensors: Int, total: Int) {
    shares[index].tensors = max(shares[index].tensors, tensors)
    shares[index].total = max(shares[index].total, total)
  }

  /// Gives a share up and stands in line.
  mutating func queue(_ index: Int) {
    leave(index)
    line.append(index)
  }

  /// Lets the first in line begin.
  /// - Parameter alone: whether it waits until no other is at work, and keeps others from it.
  /// - Returns: false if it is not its turn yet.
  mutating func enter(_ index: Int, alone: Bool) -> Bool {
    guard line.first == index, self.alone == nil, !alone || !hasOthers(than: index) else { return false }
    line.removeFirst()
    shares[index].isAtWork = true
    if alone { self.alone = index }
    return true
  }

  /// Whether whoever came now would have to wait.
  func isTaken(for index: Int) -> Bool { !line.isEmpty || alone.map { $0 != index } ?? false }

  /// Lets others begin beside one.
  mutating func join(_ index: Int) {
    if alone == index { alone = nil }
  }

  /// Gives a share up, and its place in line.
  mutating func leave(_ index: Int) {
    line.removeAll { $0 == index }
    join(index)
    shares[index] = Share(lane: shares[index].lane)
  }
}
