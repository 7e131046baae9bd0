/// Which sampling method, by the name people ask for it.
package enum SchedulerName: String, Sendable, CaseIterable {
  case ddpm, ddim, pndm, lms, heun, euler
  case eulerAncestral = "euler_a"
  case dpmpp2M = "dpmpp_2m"
  case dpmpp2MKarras = "dpmpp_2m_karras"
  case dpmpp2MSDEKarras = "dpmpp_2m_sde_karras"
  case unipc, lcm

  /// - Throws: `DiffusionError.unknownScheduler`, listing the names there are.
  package init(named name: String) throws {
    guard let known = SchedulerName(rawValue: name) else {
      throw DiffusionError.unknownScheduler(name: name, known: Self.allCases.map(\.rawValue))
    }
    self = known
  }
}
