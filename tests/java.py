"""Java's programs, for a second's work each: a JVM compiles no more than it must, in no more threads than it must."""

JVM = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
KEYTOOL = ("keytool", *(f"-J{option}" for option in JVM))
