import Synchronization

/// The sums behind group normalizations, gathered over all tiles of a picture. With them, a tile is normalized as the
/// whole picture would be.
///
/// A normalization is identified by its order in a run. Each run of a tile begins with `restart`.
package final class GroupMoments: Sendable {
  /// The sums of one group of channels.
  struct Sums {
    var count = 0.0
    var sum = 0.0
    var square = 0.0
  }

  private struct State {
    var place = 0
    var core = Core(rows: 0..<1, columns: 0..<1, height: 1, width: 1)
    /// The sums that runs use, one array of groups per normalization.
    var known: [[Sums]] = []
    var gathered: [[Sums]] = []
  }

  private let state = Mutex(State())

  package init() {}

  /// The core of a tile: the part that counts. Tiles overlap, but their cores do not, and together the cores are the
  /// picture.
  package struct Core: Sendable {
    let rows: Range<Int>
    let columns: Range<Int>
    /// The tile's height, in the same units.
    let height: Int
    let width: Int

    package init(rows: Range<Int>, columns: Range<Int>, height: Int, width: Int) {
      self.rows = rows
      self.columns = columns
      self.height = height
      self.width = width
    }

    /// The same part of a feature map of that size.
    func scaled(height: Int, width: Int) -> (rows: Range<Int>, columns: Range<Int>) {
      (
        rows.lowerBound * height / self.height..<rows.upperBound * height / self.height,
        columns.lowerBound * width / self.width..<columns.upperBound * width / self.width
      )
    }
  }

  /// Begins a run of the next tile.
  package func restart(core: Core) {
    state.withLock {
      $0.place = 0
      $0.core = core
    }
  }

  /// The core of the current tile.
  var core: Core { state.withLock { $0.core } }

  /// Ends a round over all tiles: the next runs use the sums that were gathered.
  package func publish() {
    state.withLock {
      $0.known = $0.gathered
      $0.gathered = []
      $0.place = 0
    }
  }

  /// Adds the sums of one normalization of one tile. Returns those of the picture, if they are known.
  func exchange(_ sums: [Sums]) -> [Sums] {
    state.withLock { state in
      let place = state.place
      state.place += 1
      if place == state.gathered.count {
        state.gathered.append(sums)
      } else {
        for index in sums.indices {
          state.gathered[place][index].count += sums[index].count
          state.gathered[place][index].sum += sums[index].sum
          state.gathered[place][index].square += sums[index].square
        }
      }
      return place < state.known.count ? state.known[place] : sums
    }
  }
}
