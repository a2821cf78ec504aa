import java.io.OutputStream;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes the files below the first folder as zips into the second, in each way that the JDK has. */
class Zips {
    public static void main(String[] arguments) throws Exception {
        Path from = Path.of(arguments[0]);
        Path into = Path.of(arguments[1]);
        List<Path> files;
        try (Stream<Path> found = Files.walk(from)) {
            files = found.filter(Files::isRegularFile).sorted().toList();
        }
        stream(from, files, into.resolve("stream.zip"), false);
        stream(from, files, into.resolve("stored.zip"), true);
        fileSystem(from, files, into.resolve("zipfs.zip"), Map.of("create", "true"));
        fileSystem(from, files, into.resolve("zipfs-stored.zip"), Map.of("create", "true", "noCompression", "true"));
    }

    static void stream(Path from, List<Path> files, Path target, boolean stored) throws Exception {
        try (OutputStream out = Files.newOutputStream(target); ZipOutputStream zip = new ZipOutputStream(out)) {
            for (Path file : files) {
                byte[] content = Files.readAllBytes(file);
                ZipEntry entry = new ZipEntry(from.relativize(file).toString());
                if (stored) {
                    CRC32 checksum = new CRC32();
                    checksum.update(content);
                    entry.setMethod(ZipEntry.STORED);
                    entry.setSize(content.length);
                    entry.setCrc(checksum.getValue());
                }
                zip.putNextEntry(entry);
                zip.write(content);
                zip.closeEntry();
            }
        }
    }

    static void fileSystem(Path from, List<Path> files, Path target, Map<String, String> how) throws Exception {
        try (FileSystem zip = FileSystems.newFileSystem(target, how)) {
            for (Path file : files) {
                Path entry = zip.getPath(from.relativize(file).toString());
                Files.createDirectories(entry.getParent());
                Files.copy(file, entry);
            }
        }
    }
}
