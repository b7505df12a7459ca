import Glibc
import Machine
import Testing

@Suite("Local time", .serialized) struct LocalTimeTests {
    @Test(
        "its changes are found to the second, wherever the machine stands",
        arguments: [
            // At 01:00 UTC on 2026-03-29 and 2026-10-25; at 16:00 UTC on 2026-04-04 by half an hour; never.
            ("Europe/Berlin", 1_774_400_000, [1_774_746_000, 7200]),
            ("Europe/Berlin", 1_792_500_000, [1_792_890_000, 3600]),
            ("Australia/Lord_Howe", 1_775_000_000, [1_775_314_800, 37_800]),
            ("Asia/Tokyo", 1_774_400_000, []),
        ])
    func changes(zone: String, start: Int, expected: [Int]) {
        setenv("TZ", zone, 1)
        defer {
            unsetenv("TZ")
            tzset()
        }
        let changes = LocalTime.changes(within: start..<start + 9 * 86_400)
        #expect(changes.flatMap { [$0.time, $0.offset] } == expected)
    }
}
