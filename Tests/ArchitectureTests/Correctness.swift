import Testing

@Suite("What correct means")
struct Correctness {
    /// A test's name begins with the points of the project's list that it shows.
    @Test("Each point has a test that is named after it", arguments: 1...53)
    func named(point: Int) throws {
        let names = try Repository.files.filter { $0.hasSuffix("Tests.swift") }.map(Repository.text).joined()
        #expect(
            names.contains(try Regex("@Test\\(\\s*\"(\\d+, )*\(point)(, \\d+)*: ")), "no test is named \"\(point): …\"")
    }
}
