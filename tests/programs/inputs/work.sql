CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, city INTEGER, born INTEGER);
CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO person
    SELECT i, printf('person %08x %s', i * 2654435761 % 4294967296, hex(i * i)),
           i * 7919 % 1000, 1900 + i * 31 % 120
    FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
    INSERT INTO city SELECT i, printf('city %d', i * 37 % 1000) FROM n;
COMMIT;
CREATE INDEX person_name ON person (name);
CREATE INDEX person_city ON person (city, born);
SELECT c.name, count(*), min(p.born), max(p.name)
    FROM person p JOIN city c ON c.id = p.city
    GROUP BY c.id ORDER BY count(*) DESC, c.name LIMIT 5;
SELECT count(DISTINCT substr(name, 8, 3)), sum(length(name)) FROM person;
UPDATE person SET name = name || ' the ' || born WHERE city % 3 = 0;
DELETE FROM person WHERE city % 7 = 0;
SELECT count(*), sum(length(name)) FROM person;
SELECT length(group_concat(name, ', ')) FROM (SELECT name FROM person ORDER BY name);
SELECT a.born, count(*) FROM person a JOIN person b ON a.city = b.city AND a.born = b.born + 1
    GROUP BY a.born ORDER BY 2 DESC, 1 LIMIT 5;
SELECT json_group_array(born) FROM (SELECT DISTINCT born FROM person ORDER BY born);
VACUUM;
PRAGMA integrity_check;
