/// The names of the sampling methods on command lines, in JSON and in the queue.
package enum SchedulerName: String, CaseIterable, Sendable, Codable {
  case ddpm, ddim, pndm, lms, heun, euler
  case eulerAncestral = "euler_a"
  case dpmpp2M = "dpmpp_2m"
  case dpmpp2MKarras = "dpmpp_2m_karras"
  case dpmpp2MSDE = "dpmpp_2m_sde"
  case dpmpp2MSDEKarras = "dpmpp_2m_sde_karras"
  case dpmpp2S = "dpmpp_2s"
  case dpmppSDE = "dpmpp_sde"
  case unipc, deis, kdpm2
  case kdpm2Ancestral = "kdpm2_a"
  case saSolver = "sa_solver"
  case edmEuler = "edm_euler"
  case edmDPMpp2M = "edm_dpmpp_2m"
  case ipndm, lcm, tcd
}

extension SchedulerName: WordForm {
  /// Reads a name in any spelling of this field.
  package init?(text: String) {
    guard let name = SchedulerSpelling.name(text) else { return nil }
    self = name
  }

  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    try self.init(textFrom: decoder)
  }
}
