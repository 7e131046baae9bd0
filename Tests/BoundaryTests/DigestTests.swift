import Boundary
import Testing

@Suite struct DigestTests {
  @Test func knowsItsVectors() {
    func hash(_ pieces: [[UInt8]]) -> String {
      var digest = Digest()
      for piece in pieces { digest.add(piece) }
      return digest.hexadecimal()
    }
    // FIPS 180-4 and NIST's long message.
    #expect(hash([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(hash([Array("abc".utf8)]) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let two = Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
    #expect(hash([two]) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    let million = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    #expect(hash([million]) == expected)
    #expect(
      hash([Array(million[..<1]), Array(million[1..<64]), Array(million[64..<700]), Array(million[700...])])
        == expected)
  }
}
