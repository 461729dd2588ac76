import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;
import java.nio.ByteBuffer;
import java.nio.file.*;

/** Work SIZE: collections, streams, threads, native memory (direct buffers, zlib), collections. */
public class Work {
    record Person(int id, String name, List<String> tags) {
    }

    static long nativeMemory(int size) throws DataFormatException {
        long sum = 0;
        for (int i = 0; i < size / 100; i++) {
            byte[] data = IntStream.range(0, 5000).mapToObj(Integer::toString)
                .collect(Collectors.joining(",")).getBytes();
            ByteBuffer direct = ByteBuffer.allocateDirect(data.length + i);
            direct.put(data).flip();
            Deflater deflater = new Deflater();
            deflater.setInput(direct);
            deflater.finish();
            byte[] packed = new byte[data.length];
            int length = deflater.deflate(packed);
            deflater.end();
            Inflater inflater = new Inflater();
            inflater.setInput(packed, 0, length);
            sum += inflater.inflate(new byte[data.length]);
            inflater.end();
        }
        return sum;
    }

    public static void main(String[] arguments) throws Exception {
        int size = Integer.parseInt(arguments[0]);
        String preload = Objects.requireNonNullElse(System.getenv("PRELOAD"), "");
        try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
            System.out.println("loaded "
                + (preload.isEmpty() || maps.anyMatch(line -> line.endsWith(" " + preload))));
        }
        List<Person> people = IntStream.range(0, size)
            .mapToObj(i -> new Person(i, "name " + i * 7919L % 10007,
                IntStream.range(0, i % 9).mapToObj(j -> "t" + j).toList()))
            .toList();
        TreeMap<String, Long> groups = people.parallelStream().flatMap(p -> p.tags().stream())
            .collect(Collectors.groupingBy(tag -> tag, TreeMap::new, Collectors.counting()));
        System.out.println(groups);

        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Long>> results = new ArrayList<>();
        for (int i = 0; i < 4; i++)
            results.add(pool.submit(() -> nativeMemory(size / 4)));
        for (Future<Long> result : results)
            System.out.println(result.get());
        pool.shutdown();
        for (int i = 0; i < 3; i++)
            System.gc();
        for (int i = 0; i < size / 100; i++) {
            Thread thread = new Thread(() -> new StringBuilder().append(new char[1000]));
            thread.start();
            thread.join();
        }
        System.out.println("done");
    }
}
