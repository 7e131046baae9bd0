import SharedFiles
import Testing

@Suite struct SharedAddressTests {
  @Test(arguments: [
    ("/mnt/share/", SharedAddress.folder("/mnt/share"), "/mnt/share"),
    ("s3://pictures", .bucket("pictures", prefix: ""), "s3://pictures"),
    ("s3://my.bucket-1/", .bucket("my.bucket-1", prefix: ""), "s3://my.bucket-1"),
    ("s3://pictures/team/a_b.c/", .bucket("pictures", prefix: "team/a_b.c/"), "s3://pictures/team/a_b.c"),
  ])
  func aPlaceIsRead(text: String, address: SharedAddress, shown: String) throws {
    #expect(try SharedAddress(text) == address)
    #expect("\(address)" == shown)
  }

  @Test(arguments: [
    "", "share", "~/share", "s3://", "s3:///key", "s3://a", "s3://UPPER/x", "s3://b..c/x",
    "s3://bucket/../other",
    "s3://bucket/a//b", "s3://bucket/a b", "s3://bucket/a?x=1", "https://s3.example/bucket", "gs://bucket/x",
    "s3://AKIDEXAMPLE:hush@bucket/x", "/mnt/\0/x",
  ])
  func anythingElseIsRefusedAndNotRepeated(text: String) {
    let error = #expect(throws: SharedError.self) { try SharedAddress(text) }
    #expect(error?.exit == .usage)
    #expect(error.map { "\($0)".contains("hush") } == false)
  }
}
