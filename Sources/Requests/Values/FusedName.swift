/// A method and a schedule in one name: AUTOMATIC1111 had them so until 1.8 (`DPM++ SDE Karras`), and InvokeAI has
/// (`dpmpp_sde_k`).
struct FusedName {
  let scheduler: SchedulerName
  let sigmas: SigmaName

  /// The two of a name; nil if it says no schedule, or is a method's own name (`dpmpp_2m_karras`).
  init?(text: String) {
    guard SchedulerName(text: text) == nil else { return nil }
    let name = SchedulerSpelling.plain(text)
    let endings = SigmaName.allCases.flatMap { sigmas in
      sigmas.spellings.map { (ending: $0, sigmas: sigmas) }
    }
    for (ending, sigmas) in endings + [("k", .karras)] where name.hasSuffix(ending) {
      guard let scheduler = SchedulerSpelling.name(String(name.dropLast(ending.count))) else { continue }
      self.scheduler = scheduler
      self.sigmas = sigmas
      return
    }
    return nil
  }
}

extension RequestDraft {
  /// Sets both settings that a method's name says. A schedule that is given by itself goes before.
  /// - Returns: false if the text is no such name.
  mutating func takeFused(_ text: String) -> Bool {
    guard let fused = FusedName(text: text) else { return false }
    give("scheduler", \.scheduler, fused.scheduler)
    if !given.contains("sigmas") { give("sigmas", \.sigmas, fused.sigmas) }
    return true
  }
}
