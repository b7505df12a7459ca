// swift-tools-version: 6.2
// The modules of DESIGN §4. Which may import which is held by Tests/ArchitectureTests, because SwiftPM does not enforce it.
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

// Where each session and each byte passes: the run-time check that nobody reads what is being written costs some eighty calls
// a session. It is made in debug builds, which all tests run, and not in what is shipped.
let hot: [SwiftSetting] =
    strict + [
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
    ]

func module(_ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = strict) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, path: "Tests/\(name)", exclude: exclude, swiftSettings: strict)
}

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "gatehouse",
    products: [
        .executable(name: "gatehoused", targets: ["gatehoused"]),
        .executable(name: "gatehousectl", targets: ["gatehousectl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .target(name: "CLinux", linkerSettings: [.linkedLibrary("seccomp")]),
        .systemLibrary(name: "CNetfilter", pkgConfig: "libnftnl"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl"),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3"),
        .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode"),

        module("Address", ["CLinux"], hot),
        module("Reactor", ["Address", "CLinux"], hot),
        module("Wire", ["Address"]),
        module("Policy", ["Address"]),
        module("Ruleset", ["Address", "Policy"]),
        module("Machine", ["Address", "CLinux"]),
        module("Resolver", ["Address", "Reactor", "Wire"], hot),
        module("Store", ["Address", "Policy", "CSQLite"]),
        module("Proxy", ["Address", "Reactor", "Wire", "Policy", "Resolver", "CLinux", "COpenSSL", logging], hot),
        module("Firewall", ["Address", "Reactor", "Policy", "Ruleset", "CLinux", "CNetfilter"]),
        module("Admin", ["Address", "Reactor", "Policy", logging]),
        module(
            "Supervisor",
            ["Address", "Reactor", "Policy", "Ruleset", "Machine", "Admin", "Store", "CLinux", logging]),

        program(
            "gatehoused",
            [
                "Address", "Supervisor", "Proxy", "Firewall", "Ruleset", "Machine", "Admin", "Reactor", "Resolver",
                "Policy", "Wire",
                "CLinux",
                logging,
            ]),
        program("gatehousectl", ["Address", "Admin", "Policy", "Ruleset", "Machine", "CQREncode", arguments]),

        .systemLibrary(name: "CEpoll", path: "Tests/Benchmarks/CEpoll"),
        .executableTarget(
            name: "gatehouse-load", dependencies: ["CEpoll", "CLinux", "COpenSSL"], path: "Tests/Benchmarks",
            exclude: ["CEpoll", "peers"],
            swiftSettings: strict),

        tests("ApplianceTests", ["TestProcess"]),
        tests("ArchitectureTests", ["TestProcess"]),
        tests("LoadTests", ["gatehouse-load"]),
        tests("ReactorTests", ["Reactor", "Address", "CLinux", "TestProcess"]),
        tests("ResolverTests", ["Resolver", "Reactor", "Wire", "Address", "TestNetwork", "TestProcess"]),
        tests("StoreTests", ["Store", "Policy", "Address", "CSQLite", "Ruleset"]),
        tests(
            "SupervisorTests",
            [
                "Supervisor", "Admin", "Machine", "Reactor", "Policy", "Address", "CLinux", "gatehoused",
                "gatehousectl",
                "TestProcess", logging,
            ]),
        tests("AdminTests", ["Admin", "Reactor", "Policy", "Address", logging, "TestProcess"]),
        tests("WireTests", ["Wire", "Address", "TestProcess"]),
        tests("PolicyTests", ["Policy", "Address"]),
        tests("MachineTests", ["Machine", "Address", "TestNetwork"]),
        tests(
            "ProxyTests",
            [
                "Proxy", "Reactor", "Wire", "Policy", "Address", "Resolver", "COpenSSL", "TestNetwork", "TestProcess",
                logging,
            ]),
        tests("gatehousectlTests", ["gatehousectl", "gatehoused", "TestProcess"]),
        tests("FirewallTests", ["Firewall", "Ruleset", "Policy", "Address", "TestNetwork"]),
        tests(
            "GatewayTests",
            [
                "TestNetwork", "TestProcess", "Proxy", "Policy", "Address", "CLinux", "gatehoused", "gatehousectl",
                "gatehouse-load",
            ],
            exclude: ["Clients"]),
        .target(name: "TestProcess", path: "Tests/TestProcess", swiftSettings: strict),
        .target(name: "TestNetwork", dependencies: ["TestProcess"], path: "Tests/TestNetwork", swiftSettings: strict),
    ]
)
