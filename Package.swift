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

func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: strict)
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
        .systemLibrary(name: "CAres", pkgConfig: "libcares"),
        .systemLibrary(name: "CQREncode", pkgConfig: "libqrencode"),

        module("Reactor", ["CLinux"], hot),
        module("Wire", []),
        module("Policy", []),
        module("Store", ["Policy", "CSQLite"]),
        module("Proxy", ["Reactor", "Wire", "Policy", "CLinux", "COpenSSL", "CAres", logging], hot),
        module("Firewall", ["Reactor", "Policy", "CLinux", "CNetfilter", logging]),
        module("Admin", ["Reactor", "Policy", logging]),
        module("Supervisor", ["Reactor", "Policy", "Admin", "Store", "CLinux", logging]),

        program("gatehoused", ["Supervisor", "Proxy", "Firewall", "Admin", "Reactor", "Policy", "CLinux", logging]),
        program("gatehousectl", ["Admin", "Policy", "CQREncode", arguments]),

        .systemLibrary(name: "CEpoll", path: "Tests/Benchmarks/CEpoll"),
        .executableTarget(
            name: "gatehouse-load", dependencies: ["CEpoll", "CLinux", "COpenSSL"], path: "Tests/Benchmarks",
            exclude: ["CEpoll", "peers"],
            swiftSettings: strict),

        tests("ApplianceTests", ["TestProcess"]),
        tests("ArchitectureTests", ["TestProcess"]),
        tests("LoadTests", ["gatehouse-load"]),
        tests("ReactorTests", ["Reactor", "CLinux", "TestProcess"]),
        tests("StoreTests", ["Store", "Policy", "CSQLite"]),
        tests(
            "SupervisorTests",
            ["Supervisor", "Reactor", "Policy", "CLinux", "gatehoused", "gatehousectl", "TestProcess", logging]),
        tests("AdminTests", ["Admin", "Reactor", "Policy", logging, "TestProcess"]),
        tests("WireTests", ["Wire", "TestProcess"]),
        tests("PolicyTests", ["Policy"]),
        tests("ProxyTests", ["Proxy", "Reactor", "Wire", "Policy", "COpenSSL", "TestNetwork", "TestProcess", logging]),
        tests("gatehousectlTests", ["gatehousectl", "gatehoused", "TestProcess"]),
        tests("FirewallTests", ["Firewall", "Policy", "TestNetwork"]),
        tests(
            "GatewayTests",
            ["TestNetwork", "TestProcess", "Proxy", "Policy", "gatehoused", "gatehousectl", "gatehouse-load"]),
        .target(name: "TestProcess", path: "Tests/TestProcess", swiftSettings: strict),
        .target(name: "TestNetwork", dependencies: ["TestProcess"], path: "Tests/TestNetwork", swiftSettings: strict),
    ]
)
