/// How other programs call the sampling methods: AUTOMATIC1111 and its kin (`DPM++ 2M Karras`), ComfyUI
/// (`euler_ancestral`), InvokeAI (`k_heun`), diffusers (`EulerDiscreteScheduler`). Whatever is written is compared
/// without case, spaces, dashes and underscores.
enum SchedulerSpelling {
  /// Names that differ from ours in more than the way they are written.
  private static let others: [(name: SchedulerName, spellings: [String])] = [
    (.pndm, ["PLMS", "PNDMScheduler"]),
    (.ddpm, ["DDPMScheduler"]),
    (.ddim, ["DDIMScheduler"]),
    (.lms, ["k_lms", "LMSDiscreteScheduler", "LMS discrete"]),
    (.heun, ["k_heun", "HeunDiscreteScheduler", "Heun discrete"]),
    (.euler, ["k_euler", "EulerDiscreteScheduler", "Euler discrete"]),
    (
      .eulerAncestral,
      ["Euler ancestral", "k_euler_a", "k_euler_ancestral", "EulerAncestralDiscreteScheduler"]
    ),
    (.dpmpp2M, ["k_dpmpp_2m", "DPMSolverMultistepScheduler", "DPM solver++", "DPM++"]),
    (.dpmpp2MKarras, ["k_dpmpp_2m_ka", "k_dpmpp_2m_karras"]),
    (.dpmpp2MSDEKarras, ["k_dpmpp_2m_sde_karras"]),
    (.dpmpp2MSDE, ["k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu"]),
    (.dpmpp2S, ["k_dpmpp_2s", "DPMSolverSinglestepScheduler"]),
    (.dpmppSDE, ["k_dpmpp_sde", "dpmpp_sde_gpu", "DPMSolverSDEScheduler"]),
    (.deis, ["DEISMultistepScheduler"]),
    (.kdpm2, ["DPM2", "k_dpm_2", "KDPM2DiscreteScheduler"]),
    (.kdpm2Ancestral, ["DPM2 a", "DPM2 ancestral", "k_dpm_2_a", "KDPM2AncestralDiscreteScheduler"]),
    (.saSolver, ["SASolverScheduler"]),
    (.edmEuler, ["EDMEulerScheduler"]),
    (.edmDPMpp2M, ["EDMDPMSolverMultistepScheduler"]),
    (.ipndm, ["IPNDMScheduler"]),
    (.tcd, ["TCDScheduler"]),
    (.unipc, ["uni_pc", "uni_pc_bh2", "UniPCMultistepScheduler"]),
    (.lcm, ["LCMScheduler"]),
  ]

  private static let names: [String: SchedulerName] = {
    var names: [String: SchedulerName] = [:]
    for (name, spellings) in others {
      for spelling in spellings { names[plain(spelling)] = name }
    }
    // Our own go before.
    for name in SchedulerName.allCases { names[plain(name.rawValue)] = name }
    return names
  }()

  /// The method of that name; nil if there is none.
  static func name(_ text: String) -> SchedulerName? { names[plain(text)] }

  /// Only letters and digits count, and `++` is `pp`.
  static func plain(_ text: String) -> String {
    text.prefix(100).lowercased().replacing("++", with: "pp")
      .filter { !$0.isWhitespace && $0 != "_" && $0 != "-" && $0 != "." }
  }
}
