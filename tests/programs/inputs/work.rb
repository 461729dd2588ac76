# work.rb SIZE: objects, strings, hashes, threads, fibers, garbage collection, compaction, fork.
require 'digest'
require 'json'

size = Integer(ARGV[0])
preload = ENV.fetch('PRELOAD', '')
loaded = preload.empty? || File.readlines('/proc/self/maps', chomp: true)
                               .any? { |line| line.end_with?(" #{preload}") }
puts "loaded #{loaded}"

Person = Struct.new(:id, :name, :friends)
people = Array.new(size) { |i| Person.new(i, "person #{i * 7919 % 10_007}", []) }
people.each_with_index { |person, i| person.friends << people[i * 31 % size] }
groups = people.group_by { |person| person.name[-2..] }
puts groups.size, groups.values.map(&:size).max

text = JSON.generate(people.map { |person| { id: person.id, name: person.name * (person.id % 5) } })
puts Digest::SHA256.hexdigest(JSON.generate(JSON.parse(text)))
puts text.scan(/person (\d+)/).flatten.map(&:to_i).sum

results = Array.new(4) do |t|
  Thread.new { (0...size / 4).map { |i| "#{t}:#{i}" * (i % 9) }.sum(&:size) }
end
puts results.map(&:value).inspect

fibers = Array.new(200) { |n| Fiber.new { 3.times { |i| Fiber.yield('f' * (n + i)) } } }
puts Array.new(3) { fibers.sum { |fiber| fiber.resume.size } }.inspect
groups = people = nil
GC.start
GC.compact if GC.respond_to?(:compact)
pid = fork { exit(Array.new(size) { |i| i.to_s * 3 }.size == size ? 3 : 4) }
Process.wait(pid)
puts $?.exitstatus
