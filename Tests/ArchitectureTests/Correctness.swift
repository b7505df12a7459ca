import Testing

@Suite("What correct means")
struct Correctness {
    /// The project's list has more than 42 points, and a test's name begins with the points that it shows.
    @Test("Each of the first 42 points has a test that is named after it", arguments: 1...42)
    func named(point: Int) throws {
        let names = try Repository.files.filter { $0.hasSuffix("Tests.swift") }.map(Repository.text).joined()
        #expect(
            names.contains(try Regex("@Test\\(\\s*\"(\\d+, )*\(point)(, \\d+)*: ")), "no test is named \"\(point): …\"")
    }
}
