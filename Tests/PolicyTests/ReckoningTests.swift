import Address
import Policy
import Testing

@Suite("What time it is, until the clock knows")
struct ReckoningTests {
    private let noon = 1_796_000_000
    private let hour = 3600
    private let day = 86_400

    private func time(known: Int?, clock: Int, passed: Int = 0, isSynchronised: Bool? = nil) -> (Int, Bool) {
        var reckoning = Reckoning(known: known, clock: clock, isSynchronised: isSynchronised)
        let time = reckoning.time(clock: clock + passed, passed: passed, isSynchronised: isSynchronised)
        return (time, reckoning.isBelieved)
    }

    @Test
    func `a clock that shows less than was known, or years more, is not believed, and the time goes on from what was`()
    {
        for clock in [0, noon - 1, noon - day, noon + 401 * day, noon + 20 * 365 * day] {
            #expect(time(known: noon, clock: clock) == (noon, false), "\(clock)")
            #expect(time(known: noon, clock: clock, passed: hour) == (noon + hour, false), "\(clock)")
            // Kernels that say nothing of it and kernels that say no are the same.
            #expect(time(known: noon, clock: clock, isSynchronised: false) == (noon, false), "\(clock)")
        }
    }

    @Test func `a clock that is kept right is believed whatever was known, and so is one that may well be right`() {
        #expect(time(known: noon, clock: noon - day, isSynchronised: true) == (noon - day, true))
        // Nobody keeps it right, as on a box with a battery and without a time server.
        for away in [0, 60, day, 300 * day] { #expect(time(known: noon, clock: noon + away) == (noon + away, true)) }
        // A first start has nothing to hold on to.
        #expect(time(known: nil, clock: 0) == (0, true))
    }

    @Test func `it is believed as soon as it is set, and from then on wherever it is set`() {
        var reckoning = Reckoning(known: noon, clock: 60, isSynchronised: false)
        #expect(reckoning.time(clock: 90, passed: 30, isSynchronised: false) == noon + 30)
        #expect(reckoning.time(clock: noon + day, passed: 31, isSynchronised: false) == noon + day)
        #expect(reckoning.isBelieved)
        #expect(reckoning.time(clock: 100, passed: 40, isSynchronised: false) == 100)
        // By hand, to before what was known: somebody knows better.
        reckoning = Reckoning(known: noon, clock: 60, isSynchronised: nil)
        #expect(reckoning.time(clock: noon - hour, passed: 10, isSynchronised: nil) == noon - hour)
        reckoning = Reckoning(known: noon, clock: 60, isSynchronised: false)
        #expect(reckoning.time(clock: 61, passed: 1, isSynchronised: true) == 61)
    }

    @Test func `what holds at an instant holds without a clock`() throws {
        let names = ["kid", "tv", "phone", "console"]
        var devices = names.enumerated().map { number, name in
            Device(name: name, hardware: HardwareAddress(bytes: [2, 0, 0, 0, 0, UInt8(number)])!)
        }
        devices[0].schedule = Schedule("mon-sun 07:00-21:00")
        devices[1].pause = .until(noon + 10)
        devices[2].pause = .until(noon - 10)
        var policy = Policy(devices: devices)
        policy.forwards = [
            Forward(name: "web", transport: .tcp, port: 443, device: "tv", until: noon + 10),
            Forward(name: "ssh", transport: .tcp, port: 22, device: "tv", until: noon - 10),
        ]
        let morning = noon / day * day + 8 * hour
        for (instant, held) in [
            (morning, [false, false, false, false]), (morning + 14 * hour, [true, false, false, false]),
            (noon, [nil, true, false, false]),
        ] as [(Int, [Bool?])] {
            let settled = policy.settled(at: instant, on: .utc)
            for (index, device) in settled.devices.enumerated() {
                #expect(device.schedule == nil && device.pause?.end == nil)
                let isHeld = policy.devices[index].hold(at: instant, on: .utc) != nil
                #expect((device.pause == .forever) == isHeld, "\(device.name) at \(instant)")
                if instant != noon, index == 0 { #expect(isHeld == held[0]) }
                if instant == noon, let wanted = held[index] { #expect(isHeld == wanted, "\(device.name)") }
            }
            #expect(settled.forwards.allSatisfy { $0.until == nil })
        }
        #expect(policy.settled(at: noon, on: .utc).forwards.map(\.name) == ["web"])
    }
}
