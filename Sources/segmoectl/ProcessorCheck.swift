import CKernels

/// What `doctor` says of the processor.
enum ProcessorCheck {
  static var finding: Finding {
    if segmoe_isa_available(SEGMOE_ISA_AVX512) != 0 {
      let bf16 = segmoe_bf16_is_native() != 0
      return .ok("processor", "AVX-512\(bf16 ? " with BF16: renders are in bf16 by default" : "")")
    }
    if segmoe_isa_available(SEGMOE_ISA_AVX2) != 0 { return .ok("processor", "AVX2") }
    return .warn(
      "processor", "it has neither AVX2 nor AVX-512: pictures take many times as long",
      mend: "in a virtual machine, pass the host's processor on (`-cpu host`)")
  }
}
