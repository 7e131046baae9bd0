import Boundary
import JobStore
import Tensors
import WeightCache

/// What whoever looks for a job knows. Of a worker's loops one looks at a time, however many have nothing to do: more
/// would only ask the queue more.
struct Lookout {
  var current: DaemonSettings
  /// How often a reload had changed them.
  var reloads: Int
  var pace: LookPace
  var clock = ClockWatch()
  /// A jump of the clock that is still to be heeded.
  var jump: ClockWatch.Jump?
  var introduction = Introduction()
  /// The queue's change mark before the last claim, or at the end of a rest; nil: a job was found since.
  var mark: Int64?
  /// Nothing was left to render at the last look.
  var wasDrained = false
  /// Nothing is left to render.
  var isOver = false

  init(_ settings: DaemonSettings, reloads: Int) {
    (current, self.reloads) = (settings, reloads)
    pace = LookPace(settings)
  }

  /// A job that was found.
  struct Found {
    let claimed: ClaimedJob
    /// The settings that it was claimed under.
    let settings: DaemonSettings
    let reloads: Int
    /// Where its models and its pictures may be.
    let models: Confinement
    let pictures: Confinement
  }
}

extension Worker {
  /// Waits for a job. With it the loop is at work.
  /// - Parameters:
  ///   - look: as the last look left it.
  ///   - governor: of the loop that looks, which renders nothing meanwhile.
  /// - Returns: nil if there will be none: the daemon stops, or has drained the queue.
  /// - Throws: `JobStoreError` if the queue cannot be used any more.
  func nextJob(_ look: inout Lookout, _ governor: MemoryGovernor) throws -> Lookout.Found? {
    while !stop.isRequested, !look.isOver {
      // Another worker may have room for what would only wait here.
      while governor.isTaken {
        reporter.idle()
        if stop.sleep(seconds: Self.memoryPause) { return nil }
      }
      if session.mayHave(.leftovers) { output.settleLeftovers() }
      guard takeReloads(&look, governor) else { return nil }
      try checkQueue()
      if (look.jump ?? look.clock.jump()) == .forward {
        log.warning("the clock was set forward, or the machine slept: leases count from now")
        guard try persistently({ try session.extendLeases() }) != nil else { return nil }
      }
      look.jump = nil
      guard
        let (known, inputs, names) = shelf.take({ ($0.locator, $0.inputs, $0.names) }),
        let local = try persistently({
          session.mayHave(.wantedSources) ? try session.takeLocalSources(known.hasNamed) : []
        })
      else { return nil }
      for name in local { log.info("'\(name)' is in a model folder: it is not fetched") }
      var locator = known
      try takeArrivals(&locator)
      for thing in lacked.withLock({ $0.look(locator) }) {
        guard try persistently({ try session.expect(thing) }) != nil else { return nil }
      }
      if let text = look.introduction.news(Self.introduction(self.governor, locator)) {
        guard try persistently({ try session.introduce(text) }) != nil else { return nil }
      }
      let (current, absent, progress) = (look.current, lacked.withLock { $0.all }, atWork.withLock { $0 })
      guard
        let claimed = try persistently({
          try session.claim(
            preferredModels: names, avoiding: absent,
            modelPatience: settings.drain ? 0 : current.modelPatience,
            numericsPatience: numericsPatience(current), limits: current.limits)
        })
      else { return nil }
      if let claimed {
        (look.mark, look.wasDrained) = (nil, false)
        // Before another loop looks whether anybody is at work.
        atWork.withLock { $0.jobs += 1 }
        return Lookout.Found(
          claimed: claimed, settings: current, reloads: look.reloads, models: locator.confinement,
          pictures: inputs.confinement)
      }
      // What becomes due between a claim and the mark is seen by a claim after it. Whoever finds a job needs no mark.
      guard let seen = look.mark else {
        look.mark = try persistently({ try session.changeMark() })
        if look.mark == nil { return nil }
        continue
      }
      // A job at work may be queued again, and others may wait for its end. What became due since the claim is seen by the
      // next one.
      guard
        let isDrained = try persistently({
          try settings.drain && progress.jobs == 0 && isDrained() && session.changeMark() == seen
        })
      else { return nil }
      // A source that failed since the claim leaves a job that only a claim finds hopeless: one more is made.
      (look.isOver, look.wasDrained) = (isDrained && look.wasDrained, isDrained)
      if isDrained { continue }
      guard let due = try persistently({ look.pace.watchesTimes ? try nextDue(current) : nil }),
        // On a server, where thousands may wait, what comes into a folder is found a little later.
        let waits = try persistently({
          look.pace.watchesTimes ? try session.queue.waits(batch: nil, limit: 1) : []
        })
      else { return nil }
      look.jump = try rest(
        &look, since: seen, ended: progress.ended, due: due,
        watchesFiles: !absent.models.isEmpty || !absent.files.isEmpty || !waits.isEmpty)
    }
    return nil
  }

  /// Heeds a reload.
  /// - Returns: false if a stop was asked for meanwhile.
  private func takeReloads(_ look: inout Lookout, _ governor: MemoryGovernor) -> Bool {
    let latest = self.current.withLock { $0 }
    guard latest.reloads != look.reloads else { return true }
    let before = look.current.memoryBudget
    (look.current, look.reloads) = latest
    let current = look.current
    let isTaken: Void? = shelf.take { pool in
      pool.locator = ModelLocator(folders: current.allowedFolders, places: pool.locator.places)
      pool.inputs = ModelLocator(folders: current.allowedInputs)
      pool.limits = current.limits
    }
    guard isTaken != nil else { return false }
    register.use(folders: current.modelFolders, allowed: current.allowedFolders)
    guard current.memoryBudget != before else { return true }
    do {
      // What is at work was planned for the old one.
      try governor.begin(alone: true) {
        reporter.idle()
        if stop.sleep(seconds: Self.memoryPause) { throw Interruption.stopping }
      }
    } catch {
      return false
    }
    governor.setBudget(MemoryBudget.chosen(given: current.memoryBudget))
    governor.end()
    sayBudget()
    return true
  }

  /// Seconds from one look whether there is memory to the next.
  static let memoryPause = 0.05
}
