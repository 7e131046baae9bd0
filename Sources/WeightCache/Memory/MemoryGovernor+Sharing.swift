import Tensors

/// Works side by side in one process: each waits for its turn, and no two take more than there is.
extension MemoryGovernor {
  /// A governor for one of several works side by side. It begins each work with `begin` and ends it with `end`.
  package func beside() -> MemoryGovernor { MemoryGovernor(beside: self) }

  /// Whether other works of the process may run beside this one's.
  var isShared: Bool { lane != nil }

  /// Whether a refusal counts: no other work could have taken the memory. If not, it may be had when others are over
  /// (`waitToBeAlone`).
  package var isAlone: Bool { !isShared || common.state.withLock { $0.shares.alone == own } }

  /// Whether no other work is there.
  package var hasOthers: Bool { isShared && common.state.withLock { $0.shares.hasOthers(than: own) } }

  /// Whether a work that began now would have to wait for others, whatever it takes.
  package var isTaken: Bool { isShared && common.state.withLock { $0.shares.isTaken(for: own) } }

  /// Whether a work with a budget of its own may take less than the process. Then it has to be alone.
  /// - Parameter bytes: what it may take; nil: as much as the process.
  package func narrows(_ bytes: Int?) -> Bool { bytes.map { $0 < budget?.bytes ?? .max } ?? false }

  /// Waits until a work may begin: until those that have waited for longer have begun.
  /// - Parameters:
  ///   - alone: whether it waits until no other is there, and none begins before its end.
  ///   - pause: called again and again while it waits; an error ends that.
  /// - Throws: what `pause` throws.
  package func begin(alone: Bool = false, pause: () throws -> Void) rethrows {
    guard isShared else { return }
    common.state.withLock { $0.shares.queue(own) }
    do {
      while !common.state.withLock({ $0.shares.enter(own, alone: alone) }) { try pause() }
    } catch {
      common.state.withLock { $0.shares.leave(own) }
      throw error
    }
  }

  /// Gives up what the work has, and waits until no other is there. None begins until `letOthersBegin`.
  /// - Throws: what `pause` throws. Then the work is at its end.
  package func waitToBeAlone(pause: () throws -> Void) rethrows {
    try begin(alone: true, pause: pause)
  }

  /// Lets other works begin beside this one, whose share is known by now.
  package func letOthersBegin() { common.state.withLock { $0.shares.join(own) } }

  /// Ends the work. Its memory is for others.
  package func end() {
    guard let lane else { return }
    cache.forget(lane)
    // A budget of its own ends with it; nobody else was there.
    if isAlone { limit(to: nil) }
    common.state.withLock { $0.shares.leave(own) }
    giveRoom()
  }

  /// Holds a share of so much for the work, if there is as much.
  /// - Parameters:
  ///   - bytes: tensors and weights that it needs at one time.
  ///   - tensors: how much of it are tensors.
  ///   - standing: as it was measured. What others have taken since then counts.
  /// - Returns: whether it fits.
  package func reserve(_ bytes: Int, tensors: Int, _ standing: MemoryStanding) -> Bool {
    guard isShared else { return !standing.lacks(bytes) }
    return common.state.withLock { state in
      let grown = max(0, state.shares.others(than: own).total - standing.others.total)
      guard !standing.lacks(bytes + grown) else { return false }
      state.shares.raise(own, tensors: standing.beside + tensors, total: standing.beside + bytes)
      return true
    }
  }

  /// Sets how much the work takes at one time, now that it is known.
  /// - Parameters:
  ///   - bytes: tensors and weights.
  ///   - tensors: how much of it are tensors.
  package func hold(_ bytes: Int, tensors: Int) {
    guard isShared else { return }
    common.state.withLock { state in
      (state.shares[own].tensors, state.shares[own].total) = (tensors, max(bytes, tensors))
    }
  }
}
