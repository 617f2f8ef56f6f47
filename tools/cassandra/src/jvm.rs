//! The arguments of a node's Java virtual machine.

use std::path::Path;

/// A single node holds the longest values of all tests. It is never revived, so its schema need not be durable.
const ALONE: [&str; 2] = ["-Xmx1g", "-Dcassandra.unsafesystem=true"];
const AMONG_OTHERS: [&str; 1] = ["-Xmx768m"];

const MEMORY: [&str; 6] = [
    "-Xms512m",
    "-XX:MaxDirectMemorySize=512m",
    "-XX:+UseParallelGC",
    "-Xss256k",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
];

const SYSTEM: [&str; 9] = [
    "-Djdk.attach.allowAttachSelf=true",
    "-Djava.security.manager=allow",
    "-Djava.net.preferIPv4Stack=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dcassandra-foreground=yes",
    "-Dcassandra.available_processors=2",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra.ring_delay_ms=1000",
    "-Dcassandra.superuser_setup_delay_ms=0",
];

/// Packages that Cassandra uses although the modules of Java hide them.
const EXPORTS: &str = "\
    java.base/jdk.internal.misc java.base/jdk.internal.ref java.base/sun.nio.ch \
    java.base/java.lang.ref java.management.rmi/com.sun.jmx.remote.internal.rmi \
    java.rmi/sun.rmi.registry java.rmi/sun.rmi.server java.sql/java.sql \
    jdk.unsupported/sun.misc jdk.attach/sun.tools.attach";

const OPENS: &str = "\
    java.base/java.lang java.base/java.lang.module java.base/java.lang.reflect \
    java.base/java.io java.base/java.nio java.base/java.net java.base/java.math \
    java.base/java.util java.base/java.util.concurrent java.base/java.util.concurrent.atomic \
    java.base/sun.nio.ch java.base/jdk.internal.loader java.base/jdk.internal.ref \
    java.base/jdk.internal.reflect java.base/jdk.internal.math java.base/jdk.internal.module \
    java.base/jdk.internal.util.jar jdk.management/com.sun.management.internal \
    java.rmi/sun.rmi.transport.tcp java.base/jdk.internal.misc";

/// Returns the text of an arguments file for Java, one argument on each line.
pub(crate) fn arguments(folder: &Path, jars: &Path, alone: bool) -> String {
    let special: &[&str] = if alone { &ALONE } else { &AMONG_OTHERS };
    let (folder, jars) = (folder.display().to_string(), jars.display());
    let url = folder.replace('%', "%25").replace(' ', "%20");
    let mut lines: Vec<String> =
        MEMORY.iter().chain(&SYSTEM).chain(special).map(ToString::to_string).collect();
    lines.extend(EXPORTS.split(' ').map(|package| format!("--add-exports={package}=ALL-UNNAMED")));
    lines.extend(OPENS.split(' ').map(|package| format!("--add-opens={package}=ALL-UNNAMED")));
    lines.extend([
        format!("-javaagent:{jars}/jamm-0.4.0.jar"),
        format!("-Dcassandra.config=file://{url}/cassandra.yaml"),
        format!("-Dlogback.configurationFile={folder}/logback.xml"),
        format!("-Dcassandra.storagedir={folder}"),
        format!("-Dcassandra.logdir={folder}/log"),
        format!("-Djava.io.tmpdir={folder}/tmp"),
        "-cp".to_owned(),
        format!("{jars}/*"),
    ]);
    lines.iter().map(|line| format!("\"{}\"\n", line.replace('\\', "\\\\"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_spaces_stay_one_argument() {
        let text = arguments(Path::new("/a b/n"), Path::new("/a b/jars"), true);
        assert!(text.contains("\"-Dcassandra.storagedir=/a b/n\"\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with('"') && line.ends_with('"')));
    }
}
