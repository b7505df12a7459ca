import Admin
import Policy

extension Operations {
    static let learning: [Method<Gateway>] = [
        Method(GetDevice.self) { gateway, call, _ in
            gateway.takeCensus(in: gateway.surroundings)
            await gateway.measureTraffic()
            let hardware = try gateway.policy.hardware(named: call.device, in: gateway.surroundings.household)
            guard let status = gateway.deviceStatuses().first(where: { $0.hardware == hardware }) else {
                throw Refusal("nothing is known of the device \(call.device); `gatehousectl device list` shows them")
            }
            return GetDevice.Reply(
                status: status, learning: gateway.learnings[hardware].map { LearningStatus($0) },
                rules: gateway.policy.rules.filter { $0.device == status.name },
                refused: gateway.learnings.refused(hardware))
        },
        Method(LearnDevice.self) { gateway, call, _ in try await gateway.learn(call) },
        Method(StopLearning.self) { gateway, call, _ in
            try await gateway.stopLearning(call.device)
            return StopLearning.Reply()
        },
        Method(HoldDevice.self) { gateway, call, caller in try await gateway.hold(call, by: caller) },
        Method(ReleaseDevice.self) { gateway, call, caller in try await gateway.release(call, by: caller) },
    ]
}
