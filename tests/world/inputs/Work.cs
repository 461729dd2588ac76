// Work N: collections, strings, threads, tasks, finalizers, native memory, code made at run time.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Reflection.Emit;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

class Native
{
    public static int Alive;
    readonly IntPtr memory;

    public Native(int size)
    {
        memory = Marshal.AllocHGlobal(size);
        Marshal.WriteByte(memory, size - 1, 7);
        Interlocked.Increment(ref Alive);
    }

    ~Native()
    {
        Marshal.FreeHGlobal(memory);
        Interlocked.Decrement(ref Alive);
    }
}

static class Work
{
    // By this name they are libc's own, whatever is preloaded: their blocks are theirs alone.
    [DllImport("libc")]
    static extern IntPtr realloc(IntPtr block, IntPtr size);

    [DllImport("libc")]
    static extern void free(IntPtr block);

    static string Word(int i)
    {
        return new string((char)('a' + i % 26), i % 9) + i * 7919 % 10007;
    }

    static long Checksum(IEnumerable<string> words)
    {
        long sum = 7;
        foreach (string word in words)
            foreach (char c in word)
                sum = (sum * 31 + c) % 1000003;
        return sum;
    }

    static long NativeWork(int n)
    {
        long sum = 0;
        IntPtr block = IntPtr.Zero;
        for (int i = 1; i < n; i++)
        {
            block = realloc(block, (IntPtr)(i % 5000 + 8));
            Marshal.WriteInt32(block, i);
            sum += Marshal.ReadInt32(block);
            IntPtr text = Marshal.StringToHGlobalAnsi(Word(i));
            sum += Marshal.PtrToStringAnsi(text).Length;
            Marshal.FreeHGlobal(text);
        }
        free(block);
        return sum;
    }

    static int Generated(int i)
    {
        var method = new DynamicMethod("add" + i, typeof(int), new[] { typeof(int) });
        ILGenerator code = method.GetILGenerator();
        code.Emit(OpCodes.Ldarg_0);
        code.Emit(OpCodes.Ldc_I4, i);
        code.Emit(OpCodes.Add);
        code.Emit(OpCodes.Ret);
        return ((Func<int, int>)method.CreateDelegate(typeof(Func<int, int>)))(i);
    }

    static void MakeNatives(int n)
    {
        for (int i = 1; i < n; i++)
            new Native(i % 2000 + 1);
    }

    static void Main(string[] arguments)
    {
        int n = int.Parse(arguments[0]);
        List<string> words = Enumerable.Range(0, n).Select(Word).ToList();
        words.Sort(string.CompareOrdinal);
        Console.WriteLine(Checksum(words));
        var groups = words.GroupBy(w => Regex.Replace(w, @"\d+", "")).OrderBy(g => g.Key).ToList();
        Console.WriteLine(groups.Count + " " + groups.Max(g => g.Count()));

        var shared = new ConcurrentDictionary<string, int>();
        var threads = Enumerable.Range(0, 4).Select(t => new Thread(() =>
        {
            for (int i = t; i < n; i++)
                shared.AddOrUpdate(Word(i % 1000), 1, (_, old) => old + 1);
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Console.WriteLine(shared.Count + " " + shared.Values.Sum());

        Task<long>[] tasks =
            Enumerable.Range(1, 8).Select(t => Task.Run(() => NativeWork(n / t))).ToArray();
        Task.WaitAll(tasks);
        Console.WriteLine(string.Join(" ", tasks.Select(t => t.Result)));

        var text = new StringBuilder();
        for (int i = 0; i < n; i++)
            text.Append(Word(i)).Append(i % 7 == 0 ? "\n" : " ");
        Console.WriteLine(Checksum(text.ToString().Split('\n').Reverse()));
        Console.WriteLine(Enumerable.Range(0, n / 100).Sum(Generated));

        var maker = new Thread(() => MakeNatives(n));
        maker.Start();
        maker.Join();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Console.WriteLine(Native.Alive < n / 10 ? "finalized" : Native.Alive + " alive");
    }
}
